"""A workload that knows nothing but managed identities. Package managed of
../../sdk is the same in Go and says what the variables and the argument are."""

import base64
import json
import os
import sys

from azure.core.exceptions import ClientAuthenticationError
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient

import check

env = os.environ
SCOPE = "https://vault.azure.net/.default"
own = env["WIDEMO_CLIENT_ID"], env["WIDEMO_PRINCIPAL_ID"]
second = env["WIDEMO_SECOND_CLIENT_ID"], env["WIDEMO_SECOND_PRINCIPAL_ID"]


def works(credential, want):
    """Expects a token of that identity, and that the vault takes it."""
    payload = credential.get_token(SCOPE).token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    check.equal("appid and oid", (claims["appid"], claims["oid"]), want)
    check.equal("secret", SecretClient(env["WIDEMO_VAULT_URL"], credential).get_secret("DemoSecret").value, env["WIDEMO_SECRET"])


def refused(credential, why):
    """Expects an error that says why."""
    try:
        credential.get_token(SCOPE)
    except ClientAuthenticationError as error:
        if why not in str(error):
            raise AssertionError(f"got {error}, want {why} in it") from error
        return
    raise AssertionError("got a token")


def identities():
    managed = ManagedIdentityCredential
    check.check("managed/own", lambda: works(managed(), own))
    check.check("managed/default-credential", lambda: works(DefaultAzureCredential(), own))
    check.check("managed/client-id", lambda: works(managed(client_id=own[0]), own))
    check.check("managed/object-id", lambda: works(managed(identity_config={"object_id": own[1]}), own))
    check.check("managed/resource-id", lambda: works(managed(identity_config={"resource_id": env["WIDEMO_RESOURCE_ID"]}), own))
    check.check("managed/second-client-id", lambda: works(managed(client_id=second[0]), second))
    check.check("managed/unknown-client-id", lambda: refused(managed(client_id=env["WIDEMO_UNKNOWN_CLIENT_ID"]), "AADSTS700016"))


def stranger():
    check.check("managed/stranger", lambda: refused(ManagedIdentityCredential(), "X-IDENTITY-HEADER"))


{"identities": identities, "stranger": stranger}[sys.argv[1]]()
sys.exit(1 if check.failed else 0)
