package com.github.aksess.clients;

import static com.github.aksess.clients.Check.check;
import static com.github.aksess.clients.Check.equal;
import static com.github.aksess.clients.Check.refused;

import com.azure.core.credential.TokenCredential;
import com.azure.core.util.Context;
import com.azure.data.appconfiguration.ConfigurationClient;
import com.azure.data.appconfiguration.ConfigurationClientBuilder;
import com.azure.data.appconfiguration.models.ConfigurationSetting;
import com.azure.data.appconfiguration.models.SecretReferenceConfigurationSetting;
import com.azure.data.appconfiguration.models.SettingSelector;
import java.util.List;
import java.util.stream.Collectors;

final class Settings {
    private Settings() {
    }

    private static ConfigurationClient client(TokenCredential credential) {
        return new ConfigurationClientBuilder().endpoint(Main.env("STORE_URL")).credential(credential).buildClient();
    }

    private static List<String> keys(ConfigurationClient c, String key, String label) {
        SettingSelector selector = new SettingSelector().setKeyFilter(key).setLabelFilter(label);
        return c.listConfigurationSettings(selector).stream().map(ConfigurationSetting::getKey).collect(Collectors.toList());
    }

    static void run(Main s) {
        ConfigurationClient own = client(s.own);
        ConfigurationClient owner = client(s.owner);
        String key = "written:" + s.run + "/a b";
        String label = "l/1";

        check("settings/get", () -> {
            ConfigurationSetting got = own.getConfigurationSetting("DemoConfig", Main.LABEL);
            equal("value", got.getValue(), "value from App Configuration");
            equal("lock", got.isReadOnly(), false);
            equal("odd key", own.getConfigurationSetting("path/of:a key?", Main.LABEL).getValue(), "odd characters");
        });
        check("settings/get-unchanged", () -> {
            ConfigurationSetting got = own.getConfigurationSetting("DemoConfig", Main.LABEL);
            equal("status", own.getConfigurationSettingWithResponse(got, null, true, Context.NONE).getStatusCode(), 304);
        });
        check("settings/list-label", () -> {
            equal("shared", keys(own, "*", Main.SHARED_LABEL), List.of("DemoConfig", "Greeting"));
            equal("prefix", keys(own, "Demo*", Main.LABEL), List.of("DemoConfig", "DemoSecret"));
            equal("no label", keys(own, "Demo*", "\0"), List.of());
        });
        check("settings/list-pages", () -> equal("settings", keys(own, "*", "many").size(), 105));
        check("settings/vault-reference", () -> {
            ConfigurationSetting got = own.getConfigurationSetting("DemoSecret", Main.LABEL);
            equal("secret", ((SecretReferenceConfigurationSetting) got).getSecretId(), Main.env("VAULT_URL") + "/secrets/DemoSecret");
        });
        check("settings/missing", () -> refused(404, "", () -> own.getConfigurationSetting("no:such", null)));
        check("settings/set-refused", () -> refused(403, "", () -> own.setConfigurationSetting(key, label, "x")));
        check("settings/owner-write", () -> {
            ConfigurationSetting added = owner.addConfigurationSetting(key, label, "one");
            refused(412, "", () -> owner.addConfigurationSetting(key, label, "again"));
            ConfigurationSetting changed = new ConfigurationSetting().setKey(key).setLabel(label).setValue("two").setETag(added.getETag());
            ConfigurationSetting set = owner.setConfigurationSettingWithResponse(changed, true, Context.NONE).getValue();
            refused(412, "", () -> owner.setConfigurationSettingWithResponse(changed, true, Context.NONE));
            equal("status of the deletion", owner.deleteConfigurationSettingWithResponse(set, true, Context.NONE).getStatusCode(), 200);
            refused(404, "", () -> owner.getConfigurationSetting(key, label));
        });
        check("settings/owner-lock", () -> {
            owner.setConfigurationSetting(key, null, "locked");
            equal("lock", owner.setReadOnly(key, null, true).isReadOnly(), true);
            refused(409, "", () -> owner.setConfigurationSetting(key, null, "x"));
            owner.setReadOnly(key, null, false);
            owner.deleteConfigurationSetting(key, null);
        });
    }
}
