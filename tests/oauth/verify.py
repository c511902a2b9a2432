"""Verifies recorded requests of our client with oauthlib's server side.

Promises: every request has to pass as it was sent, and to fail when anything that is signed is changed: its path, its query, its
method, its time, a secret. Ends with exit code 1 when one does not, or when fewer than LEAST were recorded.
"""

import json
import sys
import time

import oauthlib
from oauthlib.oauth1 import RequestValidator, SignatureOnlyEndpoint

LEAST = 100


class Shop(RequestValidator):
    """A server that knows one consumer and one token."""

    enforce_ssl = False
    timestamp_lifetime = 600
    dummy_client = "nobody"
    dummy_access_token = "nothing"

    def __init__(self, consumer_secret, token_secret):
        super().__init__()
        self.secrets = (consumer_secret, token_secret)

    # oauthlib's own idea of what keys look like is narrower than RFC 5849.
    def check_client_key(self, client_key):
        return client_key == "ck ü&"

    def check_access_token(self, request_token):
        return request_token == "at/+="

    def check_nonce(self, nonce):
        return len(nonce) == 32

    def validate_client_key(self, client_key, request):
        return self.check_client_key(client_key)

    def validate_access_token(self, client_key, token, request):
        return self.check_access_token(token)

    def validate_timestamp_and_nonce(self, client_key, timestamp, nonce, request, request_token=None, access_token=None):
        return abs(int(timestamp) - time.time()) < self.timestamp_lifetime

    def get_client_secret(self, client_key, request):
        return self.secrets[0]

    def get_access_token_secret(self, client_key, token, request):
        return self.secrets[1]


def passes(sent):
    # oauthlib wants brackets encoded before it decodes a query; a web server takes both.
    path, _, query = sent["url"].partition("?")
    url = path + ("?" + query.replace("[", "%5B").replace("]", "%5D") if query else "")
    headers = {"Authorization": sent["authorization"], "Content-Type": "application/json"}
    endpoint = SignatureOnlyEndpoint(Shop(sent["consumer_secret"], sent["token_secret"]))
    return endpoint.validate_request(url, sent["method"], sent["body"] or None, headers)[0]


def spoilt(sent):
    """The same request with one thing changed."""
    url, header = sent["url"], sent["authorization"]
    path, _, query = url.partition("?")
    yield "path", {**sent, "url": path + "x" + ("?" + query if query else "")}
    yield "query", {**sent, "url": url + ("&" if query else "?") + "more=1"}
    yield "method", {**sent, "method": "DELETE"}
    stamp = header.split('oauth_timestamp="')[1].split('"')[0]
    yield "time", {**sent, "authorization": header.replace(stamp, str(int(stamp) - 1))}
    yield "consumer secret", {**sent, "consumer_secret": sent["consumer_secret"] + "x"}
    yield "token secret", {**sent, "token_secret": sent["token_secret"] + "x"}


def main(path):
    with open(path, encoding="utf-8") as lines:
        recorded = [json.loads(line) for line in lines]
    wrong, refused = [], 0
    for sent in recorded:
        if not passes(sent):
            wrong.append("refused: {method} {url}".format(**sent))
        for what, other in spoilt(sent):
            if passes(other):
                wrong.append("passes with another {}: {method} {url}".format(what, **sent))
            refused += 1
    nonces = {sent["authorization"].split('oauth_nonce="')[1].split('"')[0] for sent in recorded}
    if len(nonces) != len(recorded):
        wrong.append("a nonce was used twice")
    if len(recorded) < LEAST:
        wrong.append(f"only {len(recorded)} requests were recorded")
    print("\n".join(wrong[:20]))
    verified = len(recorded) - sum(line.startswith("refused") for line in wrong)
    print(f"oauthlib {oauthlib.__version__}: {verified} of {len(recorded)} signatures verified, {refused} spoilt ones tried")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
