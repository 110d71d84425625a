"""Pinecone's metadata filters: {field: value}, {field: {$op: value}}, $and, $or."""

import operator

ORDER = {"$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le}
LISTS = {"$in", "$nin"}


class FilterError(Exception):
    """The filter is not one the vendor accepts."""


def holds(value, wanted):
    """A list of strings matches when one of them does."""
    return (
        wanted in value
        if isinstance(value, list)
        else value == wanted and isinstance(value, bool) == isinstance(wanted, bool)
    )


def test(operation, value, operand):
    if operation in LISTS:
        if not isinstance(operand, list):
            raise FilterError(f"{operation} needs a list")
        found = any(holds(value, one) for one in operand)
        return found if operation == "$in" else not found
    if operation == "$eq":
        return holds(value, operand)
    if operation == "$ne":
        return not holds(value, operand)
    if operation == "$exists":
        return (value is not None) == operand
    if operation in ORDER:
        if isinstance(operand, bool) or not isinstance(operand, (int, float)):
            raise FilterError(f"{operation} needs a number")
        return isinstance(value, (int, float)) and ORDER[operation](value, operand)
    raise FilterError(f"no operator {operation}")


def matches(condition, metadata):
    """Raises FilterError for what the vendor would refuse, whatever the metadata."""
    results = []
    for name, wanted in condition.items():
        if name in ("$and", "$or"):
            if not isinstance(wanted, list) or not wanted:
                raise FilterError(f"{name} needs a non-empty list")
            parts = [matches(part, metadata) for part in wanted]
            results.append(all(parts) if name == "$and" else any(parts))
        elif name.startswith("$"):
            raise FilterError(f"no operator {name}")
        elif isinstance(wanted, dict):
            results.extend(
                [
                    test(operation, metadata.get(name), operand)
                    for operation, operand in wanted.items()
                ]
            )
        else:
            results.append(holds(metadata.get(name), wanted))
    return all(results)
