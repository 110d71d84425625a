"""A small S3 client of the tests' own, so that a wrong signer of ours cannot agree with itself.
Path style, SigV4, one bucket.
"""

import datetime
import hashlib
import hmac
import http.client
import json
import urllib.parse
import xml.etree.ElementTree as xml

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


class S3Error(Exception):
    def __init__(self, status, body):
        super().__init__(f"S3 answered {status}: {body[:300]!r}")
        self.status = status


def quote(text, safe=""):
    return urllib.parse.quote(text, safe=safe + "-_.~")


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Bucket:
    def __init__(self, endpoint, name, key, secret, token=None, region="us-east-1", trust=None):
        """trust: an ssl.SSLContext for https."""
        self.host = urllib.parse.urlsplit(endpoint).netloc
        self.name, self.key, self.secret, self.region = name, key, secret, region
        self.token = token  # of a session
        self.trust = trust

    def sign(self, method, path, query, payload_hash, stamp, service="s3"):
        day = stamp[:8]
        headers = {"host": self.host, "x-amz-content-sha256": payload_hash, "x-amz-date": stamp}
        if self.token:
            headers["x-amz-security-token"] = self.token
        names = ";".join(sorted(headers))
        canonical = "\n".join(
            [
                method,
                path,
                query,
                *(f"{name}:{headers[name]}" for name in sorted(headers)),
                "",
                names,
                payload_hash,
            ]
        )
        scope = f"{day}/{self.region}/{service}/aws4_request"
        to_sign = "\n".join(
            ["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()]
        )
        secret = ("AWS4" + self.secret).encode()
        for part in (day, self.region, service, "aws4_request"):
            secret = mac(secret, part)
        signature = mac(secret, to_sign).hex()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return headers

    def request(self, method, key="", query=(), body=b"", extra=None):
        """Answers (status, headers, body); raises S3Error from 300 on."""
        path = "/" + quote(self.name) + ("/" + quote(key, "/") if key else "")
        return self.send(method, path, query, body, extra)

    def assume(self, policy):
        """A session that may do what the policy says: its (key, secret, token)."""
        form = {"Action": "AssumeRole", "Version": "2011-06-15", "Policy": json.dumps(policy)}
        how = {"content-type": "application/x-www-form-urlencoded"}
        reply = self.send("POST", "/", (), urllib.parse.urlencode(form).encode(), how, "sts")[2]
        found = {one.tag.partition("}")[2]: one.text for one in xml.fromstring(reply).iter()}
        return found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"]

    def send(self, method, path, query, body, extra, service="s3"):
        line = "&".join(f"{quote(name)}={quote(value)}" for name, value in sorted(query))
        stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        payload_hash = hashlib.sha256(body).hexdigest() if body else EMPTY_SHA256
        headers = {**self.sign(method, path, line, payload_hash, stamp, service), **(extra or {})}
        connection = (
            http.client.HTTPSConnection(self.host, timeout=60, context=self.trust)
            if self.trust
            else http.client.HTTPConnection(self.host, timeout=60)
        )
        try:
            connection.request(method, path + ("?" + line if line else ""), body, headers)
            reply = connection.getresponse()
            data = reply.read()
        finally:
            connection.close()
        if reply.status >= 300:
            raise S3Error(reply.status, data)
        return reply.status, reply.headers, data

    def create_bucket(self):
        self.request("PUT")

    def notify(self, arn, events):
        """Of these events from now on; of none when there are none."""
        body = "".join(f"<Event>{event}</Event>" for event in events)
        queue = f"<QueueConfiguration><Id>uploads</Id><Queue>{arn}</Queue>{body}</QueueConfiguration>"
        body = f"<NotificationConfiguration>{queue if events else ''}</NotificationConfiguration>"
        self.request(
            "PUT",
            query=[("notification", "")],
            body=body.encode(),
        )

    def put(self, key, body, content_type="application/pdf"):
        """Answers the eTag without its quotes."""
        return self.request("PUT", key, body=body, extra={"content-type": content_type})[1][
            "ETag"
        ].strip('"')

    def get(self, key):
        return self.request("GET", key)[2]

    def delete(self, key):
        self.request("DELETE", key)

    def list(self):
        """{key: (eTag, size)} of the whole bucket."""
        found, token = {}, None
        while True:
            query = [("list-type", "2"), ("encoding-type", "url")] + (
                [("continuation-token", token)] if token else []
            )
            tree = xml.fromstring(self.request("GET", query=query)[2])
            space = tree.tag.partition("}")[0] + "}" if tree.tag.startswith("{") else ""
            for entry in tree.iter(space + "Contents"):
                key = urllib.parse.unquote_plus(entry.findtext(space + "Key"))
                found[key] = (
                    entry.findtext(space + "ETag").strip('"'),
                    int(entry.findtext(space + "Size")),
                )
            token = tree.findtext(space + "NextContinuationToken")
            if not token:
                return found
