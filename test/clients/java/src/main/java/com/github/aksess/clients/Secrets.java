package com.github.aksess.clients;

import static com.github.aksess.clients.Check.check;
import static com.github.aksess.clients.Check.equal;
import static com.github.aksess.clients.Check.refused;

import com.azure.core.credential.TokenCredential;
import com.azure.security.keyvault.secrets.SecretClient;
import com.azure.security.keyvault.secrets.SecretClientBuilder;
import com.azure.security.keyvault.secrets.models.KeyVaultSecret;
import java.time.Duration;
import java.util.Set;
import java.util.stream.Collectors;

final class Secrets {
    private static final Duration SOON = Duration.ofMillis(50);

    private Secrets() {
    }

    private static SecretClient client(TokenCredential credential) {
        return new SecretClientBuilder().vaultUrl(Main.env("VAULT_URL")).credential(credential).buildClient();
    }

    static void run(Main s) {
        SecretClient own = client(s.own);
        SecretClient owner = client(s.owner);
        String name = "kept-" + s.run;

        check("secrets/get", () -> {
            KeyVaultSecret got = own.getSecret("DemoSecret");
            equal("value", got.getValue(), s.secret);
            equal("enabled", got.getProperties().isEnabled(), true);
            equal("length of the version", got.getProperties().getVersion().length(), 32);
        });
        check("secrets/versions", () -> equal("values", own.listPropertiesOfSecretVersions("DemoSecret").stream()
            .map(v -> own.getSecret("DemoSecret", v.getVersion()).getValue()).collect(Collectors.toSet()),
            Set.of("the former value", s.secret)));
        check("secrets/list-pages", () -> {
            equal("secrets", own.listPropertiesOfSecrets().stream().filter(p -> p.getName().startsWith("many-")).count(), 30L);
            equal("more than one page", own.listPropertiesOfSecrets().streamByPage().count() > 1, true);
        });
        check("secrets/missing", () -> refused(404, "SecretNotFound", () -> own.getSecret("no-such-secret")));
        check("secrets/set-refused", () -> refused(403, "ForbiddenByPolicy", () -> own.setSecret(name, "x")));
        check("secrets/owner-set", () -> {
            KeyVaultSecret first = owner.setSecret(name, "one");
            owner.updateSecretProperties(first.getProperties().setEnabled(false));
            refused(403, "SecretDisabled", () -> owner.getSecret(name));
            owner.setSecret(name, "two");
        });
        check("secrets/owner-delete-recover", () -> {
            owner.beginDeleteSecret(name).setPollInterval(SOON).waitForCompletion();
            refused(409, "ObjectIsDeletedButRecoverable", () -> owner.setSecret(name, "x"));
            owner.beginRecoverDeletedSecret(name).setPollInterval(SOON).waitForCompletion();
            equal("value after recovery", owner.getSecret(name).getValue(), "two");
        });
        check("secrets/owner-purge", () -> {
            owner.beginDeleteSecret(name).setPollInterval(SOON).waitForCompletion();
            owner.purgeDeletedSecret(name);
            refused(404, "SecretNotFound", () -> owner.getDeletedSecret(name));
        });
    }
}
