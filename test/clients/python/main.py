"""A workload that reads and writes the scenario's data with the Azure SDKs for
Python. Package dataplane of ../../sdk is the same in Go and says what the
variables are."""

import os
import sys

from azure.identity import ClientSecretCredential, DefaultAzureCredential, WorkloadIdentityCredential

import check
from parts import blobs, provider, queues, secrets, settings


class Scenario:
    container, queue, shared_label, label = "widemo", "orders", "shared", "dev-euw-001"

    def __init__(self, env):
        self.vault, self.store = env["WIDEMO_VAULT_URL"], env["WIDEMO_STORE_URL"]
        self.blobs, self.queues = env["WIDEMO_BLOB_URL"], env["WIDEMO_QUEUE_URL"]
        self.run, self.secret = env["WIDEMO_RUN"], env["WIDEMO_SECRET"]
        self.own = WorkloadIdentityCredential() if env["WIDEMO_CREDENTIAL"] == "workload" else DefaultAzureCredential()
        self.owner = ClientSecretCredential(env["WIDEMO_OWNER_TENANT"], env["WIDEMO_OWNER_CLIENT"], env["WIDEMO_OWNER_SECRET"])


scenario = Scenario(os.environ)
for part in (secrets, settings, provider, blobs, queues):
    part(scenario)
sys.exit(1 if check.failed else 0)
