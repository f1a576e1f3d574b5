"""The report that every program of these tests writes, whatever its language:
one line a check, "ok NAME" or "FAIL NAME: reason"."""

from azure.core.exceptions import HttpResponseError

failed = 0


def check(name, f):
    global failed
    try:
        f()
        print("ok", name, flush=True)
    except Exception as error:  # whatever it is, it is the check's failure
        failed += 1
        print(f"FAIL {name}: {type(error).__name__} {' '.join(str(error).split())}", flush=True)


def equal(what, got, want):
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, want {want!r}")


def refused(status, code, f):
    """Expects an SDK's error with that status and code; the code may be an inner one of the body."""
    try:
        got = f()
    except HttpResponseError as error:
        seen = f"{getattr(error, 'error_code', '')} {error.response.headers.get('x-ms-error-code', '')} {error} {error.response.text()}"
        if error.status_code != status or code not in seen:
            raise AssertionError(f"got {error.status_code} {seen}, want {status} {code}") from error
        return
    raise AssertionError(f"got {got!r}, want {status} {code}")
