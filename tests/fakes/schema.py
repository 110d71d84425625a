"""The part of JSON Schema that the vendors' OpenAPI files use: enough to say that a request or a
reply of ours has their shape.

Keywords that mean nothing at their place (array limits written as minLength, `required` on a
string) are passed over, as any validator would.
"""

import numbers
import re

TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "number": numbers.Real,
    "integer": int,
}


class Specification:
    def __init__(self, tree):
        self.tree = tree

    def resolve(self, schema):
        while "$ref" in schema:
            target = self.tree
            for part in schema["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            schema = target
        return schema

    def knows(self, path):
        return path in self.tree["paths"]

    def operation(self, method, path):
        return self.tree["paths"][path][method.lower()]

    def request(self, method, path):
        return self.operation(method, path)["requestBody"]["content"]["application/json"]["schema"]

    def response(self, method, path, status):
        """The schema for a status; families such as 4XX count."""
        answers = self.operation(method, path)["responses"]
        answer = answers.get(str(status)) or answers.get(f"{str(status)[0]}XX")
        return self.resolve(answer)["content"]["application/json"]["schema"] if answer else None

    def parameters(self, method, path, kind):
        found = [
            self.resolve(parameter)
            for parameter in self.operation(method, path).get("parameters", [])
        ]
        return {parameter["name"]: parameter for parameter in found if parameter["in"] == kind}

    def faults(self, value, schema, where="$"):
        """What is wrong with a value, as a list of sentences; empty when it conforms."""
        schema = self.resolve(schema)
        if value is None and schema.get("nullable"):
            return []
        found = [
            fault for part in schema.get("allOf", []) for fault in self.faults(value, part, where)
        ]
        for keyword in ("oneOf", "anyOf"):
            if keyword in schema and all(
                self.faults(value, part, where) for part in schema[keyword]
            ):
                found.append(f"{where}: fits none of {keyword}")
        return found + self.type_faults(value, schema, where)

    def type_faults(self, value, schema, where):
        wanted = schema.get("type")
        if wanted and not has_type(value, wanted):
            return [f"{where}: {type(value).__name__} instead of {wanted}"]
        found = []
        if "enum" in schema and value not in schema["enum"]:
            found.append(f"{where}: {value!r} is none of {schema['enum']}")
        if isinstance(value, dict):
            found += self.object_faults(value, schema, where)
        elif isinstance(value, list):
            found += limits(len(value), schema, "minItems", "maxItems", where)
            found += [
                fault
                for index, one in enumerate(value)
                for fault in self.faults(one, schema.get("items", {}), f"{where}[{index}]")
            ]
        elif isinstance(value, str):
            found += limits(len(value), schema, "minLength", "maxLength", where)
            if "pattern" in schema and not re.search(schema["pattern"], value):
                found.append(f"{where}: {value!r} does not match {schema['pattern']}")
        elif not isinstance(value, bool) and isinstance(value, numbers.Real):
            found += limits(value, schema, "minimum", "maximum", where)
        return found

    def object_faults(self, value, schema, where):
        known, extra = schema.get("properties", {}), schema.get("additionalProperties", True)
        missing = [name for name in schema.get("required", []) if name not in value]
        found = [f"{where}: {name} is missing" for name in missing]
        for name, one in value.items():
            if name in known:
                found += self.faults(one, known[name], f"{where}.{name}")
            elif isinstance(extra, dict):
                found += self.faults(one, extra, f"{where}.{name}")
            elif extra is False:
                found.append(f"{where}: {name} is not known")
        return found


def has_type(value, wanted):
    if isinstance(value, bool):
        return wanted == "boolean"
    return isinstance(value, TYPES[wanted])


def limits(value, schema, low, high, where):
    if low in schema and value < schema[low]:
        return [f"{where}: {value} is below {low} {schema[low]}"]
    if high in schema and value > schema[high]:
        return [f"{where}: {value} is above {high} {schema[high]}"]
    return []
