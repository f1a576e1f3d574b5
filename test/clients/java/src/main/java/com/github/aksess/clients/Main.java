package com.github.aksess.clients;

import com.azure.core.credential.TokenCredential;
import com.azure.identity.ClientSecretCredentialBuilder;
import com.azure.identity.DefaultAzureCredentialBuilder;
import com.azure.identity.WorkloadIdentityCredentialBuilder;

/**
 * A workload that reads and writes the scenario's data with the Azure SDKs for
 * Java. Package dataplane of ../../sdk is the same in Go and says what the
 * variables are.
 */
public final class Main {
    static final String CONTAINER = "widemo";
    static final String QUEUE = "orders";
    static final String SHARED_LABEL = "shared";
    static final String LABEL = "dev-euw-001";

    final String run = env("RUN");
    final String secret = env("SECRET");
    final TokenCredential own = env("CREDENTIAL").equals("workload")
        ? new WorkloadIdentityCredentialBuilder().build()
        : new DefaultAzureCredentialBuilder().build();
    final TokenCredential owner = new ClientSecretCredentialBuilder()
        .tenantId(env("OWNER_TENANT")).clientId(env("OWNER_CLIENT")).clientSecret(env("OWNER_SECRET")).build();

    static String env(String name) {
        String value = System.getenv("WIDEMO_" + name);
        if (value == null) {
            throw new IllegalStateException("WIDEMO_" + name + " is not set");
        }
        return value;
    }

    public static void main(String[] arguments) {
        Main scenario = new Main();
        Secrets.run(scenario);
        Settings.run(scenario);
        Blobs.run(scenario);
        Queues.run(scenario);
        System.exit(Check.failed > 0 ? 1 : 0);
    }
}
