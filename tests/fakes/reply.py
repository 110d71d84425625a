"""One answer of a fake, and the broken answers a fault makes of it."""

import json


class Reply:
    """`act` makes the request's effect happen; it runs before the reply is sent, later, or never, as the fault wants."""

    def __init__(self, status, body, headers=(), act=None, content_type="application/json"):
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.headers = dict(headers)
        self.act = act
        self.content_type = content_type

    @property
    def is_good(self):
        return self.status == 200


class Refused(Exception):
    """A request that breaks a rule of the vendor's: the reply it gets."""

    def __init__(self, reply):
        super().__init__(reply.status)
        self.reply = reply


def parse(raw):
    """JSON as the vendors read it: no NaN, no infinity. Raises ValueError."""

    def refuse(constant):
        raise ValueError(f"{constant} is not JSON")

    return json.loads(raw, parse_constant=refuse)


HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


def gateway_page():
    return Reply(200, HTML, content_type="text/html")
