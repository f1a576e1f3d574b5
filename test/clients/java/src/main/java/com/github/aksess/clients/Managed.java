package com.github.aksess.clients;

import static com.github.aksess.clients.Check.check;
import static com.github.aksess.clients.Check.equal;

import com.azure.core.credential.TokenCredential;
import com.azure.core.credential.TokenRequestContext;
import com.azure.core.exception.ClientAuthenticationException;
import com.azure.core.util.BinaryData;
import com.azure.identity.DefaultAzureCredentialBuilder;
import com.azure.identity.ManagedIdentityCredentialBuilder;
import com.azure.security.keyvault.secrets.SecretClientBuilder;
import java.util.Base64;
import java.util.List;
import java.util.Map;

/**
 * A workload that knows nothing but managed identities. Package managed of
 * ../../sdk is the same in Go and says what the variables and the argument are.
 */
public final class Managed {
    private static final TokenRequestContext SCOPE = new TokenRequestContext().addScopes("https://vault.azure.net/.default");

    private Managed() {
    }

    public static void main(String[] arguments) {
        switch (arguments[0]) {
            case "identities" -> identities();
            case "stranger" -> check("managed/stranger", () -> refused(managed(), "X-IDENTITY-HEADER"));
            default -> throw new IllegalArgumentException(arguments[0]);
        }
        System.exit(Check.failed > 0 ? 1 : 0);
    }

    private static ManagedIdentityCredentialBuilder managed() {
        return new ManagedIdentityCredentialBuilder();
    }

    private static void identities() {
        List<String> own = List.of(Main.env("CLIENT_ID"), Main.env("PRINCIPAL_ID"));
        List<String> second = List.of(Main.env("SECOND_CLIENT_ID"), Main.env("SECOND_PRINCIPAL_ID"));
        check("managed/own", () -> works(managed().build(), own));
        check("managed/default-credential", () -> works(new DefaultAzureCredentialBuilder().build(), own));
        check("managed/client-id", () -> works(managed().clientId(own.get(0)).build(), own));
        check("managed/object-id", () -> works(managed().objectId(own.get(1)).build(), own));
        check("managed/resource-id", () -> works(managed().resourceId(Main.env("RESOURCE_ID")).build(), own));
        check("managed/second-client-id", () -> works(managed().clientId(second.get(0)).build(), second));
        check("managed/unknown-client-id", () -> refused(managed().clientId(Main.env("UNKNOWN_CLIENT_ID")), "AADSTS700016"));
    }

    /** Expects a token of that identity, and that the vault takes it. */
    private static void works(TokenCredential credential, List<String> want) {
        String payload = credential.getTokenSync(SCOPE).getToken().split("\\.")[1];
        Map<?, ?> claims = BinaryData.fromBytes(Base64.getUrlDecoder().decode(payload)).toObject(Map.class);
        equal("appid and oid", List.of(claims.get("appid"), claims.get("oid")), want);
        equal("secret", new SecretClientBuilder().vaultUrl(Main.env("VAULT_URL")).credential(credential).buildClient()
            .getSecret("DemoSecret").getValue(), Main.env("SECRET"));
    }

    /** Expects an error that says why; this SDK leaves that to the cause. */
    private static void refused(ManagedIdentityCredentialBuilder builder, String why) {
        try {
            builder.build().getTokenSync(SCOPE);
        } catch (ClientAuthenticationException error) {
            String seen = Check.withCauses(error);
            if (!seen.contains(why)) {
                throw new AssertionError("got " + seen + ", want " + why + " in it", error);
            }
            return;
        }
        throw new AssertionError("got a token");
    }
}
