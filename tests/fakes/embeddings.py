"""POST /v1/embeddings as the vendor answers it, with the vendor's limits. Knows nothing of HTTP
connections.
"""

import base64
import json
import re

from . import vectors
from .reply import Refused, Reply, gateway_page, parse

INPUTS_MAX, INPUT_TOKENS_MAX, REQUEST_TOKENS_MAX, BYTES_PER_TOKEN = 2048, 8192, 300_000, 4
FIELDS = {"input", "model", "encoding_format", "dimensions", "user"}
# The pieces that the vendor's tokenizer never merges: each is at least one token, so their count is a lower bound.
PRETOKEN = re.compile(
    r"'(?:[sdmt]|ll|ve|re)|[^\r\n\w]?[^\W\d_]+|\d{1,3}| ?[^\s\w]+[\r\n]*|\s*[\r\n]+|\s+"
)
CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")


def error(status, message, kind="invalid_request_error", code=None, param=None, headers=()):
    return Reply(
        status, {"error": {"message": message, "type": kind, "param": param, "code": code}}, headers
    )


def early_fault(kind):
    """Replies for faults that come before the vendor looks at the request."""
    return {
        "429": lambda: error(
            429,
            "Rate limit reached for text-embedding-3-large on tokens per min (TPM).",
            "tokens",
            "rate_limit_exceeded",
            headers={
                "Retry-After": "1",
                "retry-after-ms": "200",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "200ms",
            },
        ),
        "429_bare": lambda: error(429, "Rate limit reached", "requests", "rate_limit_exceeded"),
        "slow_down": lambda: error(
            429, "Slow down", "rate_limit_error", "slow_down", headers={"Retry-After": "1"}
        ),
        "quota": lambda: error(
            429,
            "You exceeded your current quota.",
            "insufficient_quota",
            "credit_balance_exhausted",
        ),
        "401": lambda: error(401, "Incorrect API key provided.", code="invalid_api_key"),
        "500": lambda: error(
            500, "The server had an error while processing your request.", "server_error"
        ),
        "503": lambda: error(
            503, "The engine is currently overloaded.", "server_error", "server_is_overloaded"
        ),
    }.get(kind, lambda: None)()


class Embeddings:
    def __init__(self, record, dimension, registry):
        self.record, self.dimension, self.registry = record, dimension, registry

    def refuse(self, status, message, **details):
        self.record.violate(f"/v1/embeddings: {message}")
        raise Refused(error(status, message, **details))

    def check_input(self, texts):
        if isinstance(texts, str):
            texts = [texts]
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            self.refuse(400, "'$.input' is invalid: strings are expected.", param="input")
        if not 1 <= len(texts) <= INPUTS_MAX:
            self.refuse(
                400,
                f"'$.input' is invalid: {len(texts)} inputs, 1 to {INPUTS_MAX} are allowed.",
                param="input",
            )
        total = 0
        for place, text in enumerate(texts):
            if not text:
                self.refuse(400, f"'$.input[{place}]' is invalid: empty string.", param="input")
            try:
                total += len(text.encode())
            except UnicodeEncodeError:
                self.refuse(400, f"'$.input[{place}]' is not valid Unicode.", param="input")
            tokens = sum(1 for _ in PRETOKEN.finditer(text))
            if tokens > INPUT_TOKENS_MAX:
                self.refuse(
                    400,
                    f"Invalid 'input[{place}]': maximum input length is {INPUT_TOKENS_MAX} tokens.",
                    param="input",
                )
            if CONTROL.search(text):
                self.record.violate(f"/v1/embeddings: control character in {text[:40]!r}")
        if total / BYTES_PER_TOKEN > REQUEST_TOKENS_MAX:
            kind = "max_tokens_per_request"
            self.refuse(
                400,
                f"Requested {total // BYTES_PER_TOKEN} tokens, max {REQUEST_TOKENS_MAX} tokens per request.",
                kind=kind,
                code=kind,
            )
        self.record.count("embed_tokens", total // BYTES_PER_TOKEN + len(texts))
        return texts, total // BYTES_PER_TOKEN + len(texts)

    def check(self, headers, raw):
        key = headers.get("Authorization") or ""
        if not key.startswith("Bearer ") or key == "Bearer wrong":
            raise Refused(error(401, "Incorrect API key provided.", code="invalid_api_key"))
        try:
            request = parse(raw)
        except ValueError:
            self.refuse(400, "We could not parse the JSON body of your request.")
        if not isinstance(request, dict) or set(request) - FIELDS:
            self.refuse(400, f"Unrecognized request arguments: {sorted(set(request) - FIELDS)}")
        if not isinstance(request.get("model"), str) or not request["model"]:
            self.refuse(400, "you must provide a model parameter", param="model")
        if request.get("encoding_format", "float") not in ("float", "base64"):
            self.refuse(400, "'encoding_format' must be float or base64", param="encoding_format")
        dimension = request.get("dimensions", self.dimension)
        if (
            not isinstance(dimension, int)
            or not vectors.PIECE <= dimension <= 3072
            or dimension % vectors.PIECE
        ):
            self.refuse(400, f"'dimensions' {dimension!r} is invalid", param="dimensions")
        if dimension != self.dimension:
            self.record.violate(
                f"/v1/embeddings: dimensions {dimension}, the tests use {self.dimension}"
            )
        return request, dimension

    def answer(self, headers, raw, fault=None):
        self.record.count("embed_requests")
        request, dimension = self.check(headers, raw)
        texts, tokens = self.check_input(request.get("input"))
        self.record.count("embed_inputs", len(texts))
        self.record.peak("embed_inputs_per_request", len(texts))
        made = [vectors.vector(text, dimension) for text in texts]
        for text, data in zip(texts, made):
            self.registry[vectors.key(data)] = text
        if fault == "garbage":
            return gateway_page()
        rows = self.damage(list(enumerate(made)), fault, dimension)
        encode = (
            base64_text
            if request.get("encoding_format") == "base64" and fault != "floats"
            else float_text
        )
        body = (
            '{"object":"list","data":['
            + ",".join(
                f'{{"object":"embedding","index":{index},"embedding":{encode(data)}}}'
                for index, data in rows
            )
            + f'],"model":{json.dumps(request["model"])},"usage":{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}}}'
        )
        return Reply(
            200,
            body.encode(),
            {
                "x-request-id": f"req_{self.record.counts['embed_requests']}",
                "x-ratelimit-limit-requests": "10000",
                "x-ratelimit-remaining-requests": "9999",
                "x-ratelimit-reset-requests": "6ms",
                "x-ratelimit-limit-tokens": "10000000",
                "x-ratelimit-remaining-tokens": "9990000",
                "x-ratelimit-reset-tokens": "1m0.5s",
            },
        )

    @staticmethod
    def damage(rows, fault, dimension):
        """`shuffle` is legal, all others are replies that a client must refuse."""
        if fault == "empty":
            return []
        if fault == "short":
            return rows[:-1]
        if fault == "shuffle":
            return rows[::-1]
        if fault == "double_index":
            return [(0, data) for _, data in rows]
        if fault == "quarter":
            return [(index, data[: dimension // 4 * 4]) for index, data in rows]
        if fault == "nan":
            return [(rows[0][0], b"\0\0\xc0\x7f" + rows[0][1][4:]), *rows[1:]]
        if fault == "zero":
            return [(rows[0][0], bytes(len(rows[0][1]))), *rows[1:]]
        return rows


def base64_text(data):
    return '"' + base64.b64encode(data).decode() + '"'


def float_text(data):
    return json.dumps(list(vectors.floats(data)))
