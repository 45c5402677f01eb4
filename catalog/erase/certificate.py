"""The signed statement that a sample was erased, which does not say which."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from baselake.catalog.erase.keys import Keys
from baselake.catalog.erase.scan import Proof
from baselake.errors import ConflictError, InputError

_FORMAT = "baselake erasure certificate 1"


def sign(statement: Mapping[str, object], keys: Keys) -> str:
    """The certificate of a statement: JSON, with the signature over all the rest of it."""
    whole = {"format": _FORMAT, **statement, "public_key": keys.public}
    signature = keys.signing.sign(_canonical(whole)).hex()
    return json.dumps(whole | {"signature": signature}, indent=2) + "\n"


def verify(
    path: Path, trusted: str | None, *, keys: Keys | None = None, sample: str | None = None
) -> dict[str, object]:
    """What a certificate states, if it is what was signed.

    Args:
        path: the certificate.
        trusted: the public key it must be signed with, hexadecimal; None: nobody's is known.
        keys: with which the sample's pseudonym is made.
        sample: whom it must be about; None: anybody.

    Raises:
        InputError: it is no certificate, or was changed since it was signed.
        ConflictError: another key signed it, or it is about another sample.
    """
    try:
        whole = json.loads(path.read_text())
        signature = bytes.fromhex(whole.pop("signature"))
        public = whole["public_key"]
        if whole["format"] != _FORMAT:
            raise ValueError(whole["format"])
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(signature, _canonical(whole))
    except InvalidSignature as error:
        raise InputError(
            "the certificate is not what was signed", str(path), "Take the copy that was issued"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError("not a certificate of an erasure", str(path), "Check the path") from error
    if trusted is None:
        raise ConflictError(
            "there is no key to hold the certificate against", str(path), "Give the public key: --public-key"
        )
    if public != trusted:
        raise ConflictError(
            f"signed with another key ({public[:16]}...)", str(path), "Give the public key it is to have"
        )
    if sample is not None and keys is not None:
        subject = keys.pseudonym(sample)
        if not hmac.compare_digest(subject, str(whole["subject"])):
            raise ConflictError("the certificate is about another sample", str(path), "Check the identifier")
    return dict(whole)


def digest(certificate: str) -> str:
    """SHA-256 of a certificate, hexadecimal."""
    return hashlib.sha256(certificate.encode()).hexdigest()


def proof_statement(proof: Proof) -> dict[str, object]:
    """What a certificate says of the scan: how often something was found, not where."""
    said = asdict(proof)
    findings = said.pop("findings")
    return {
        **said,
        "clean": not findings,
        "found": {
            what: sum(each["times"] for each in findings if each["what"] == what)
            for what in ("identifier", "names")
        },
    }


def _canonical(statement: Mapping[str, object]) -> bytes:
    return json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()
