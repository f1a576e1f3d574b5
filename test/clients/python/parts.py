"""What the workload does with each service."""

from azure.appconfiguration import AzureAppConfigurationClient, ConfigurationSetting
from azure.appconfiguration.provider import SettingSelector, load
from azure.core import MatchConditions
from azure.keyvault.secrets import SecretClient
from azure.storage.blob import BlobServiceClient, ContentSettings
from azure.storage.queue import QueueServiceClient

from check import check, equal, refused


def secrets(s):
    own, owner = SecretClient(s.vault, s.own), SecretClient(s.vault, s.owner)
    name = "kept-" + s.run

    def get():
        got = own.get_secret("DemoSecret")
        equal("value", got.value, s.secret)
        equal("enabled", got.properties.enabled, True)
        equal("length of the version", len(got.properties.version), 32)

    def versions():
        values = {own.get_secret("DemoSecret", v.version).value for v in own.list_properties_of_secret_versions("DemoSecret")}
        equal("values", values, {"the former value", s.secret})

    def pages():
        found = [[p.name for p in page] for page in own.list_properties_of_secrets().by_page()]
        equal("secrets", sum(n.startswith("many-") for page in found for n in page), 30)
        equal("more than one page", len(found) > 1, True)

    def owner_set():
        first = owner.set_secret(name, "one", content_type="text/plain", tags={"for": "a test"})
        owner.update_secret_properties(name, first.properties.version, enabled=False)
        refused(403, "SecretDisabled", lambda: owner.get_secret(name))
        owner.set_secret(name, "two")

    def delete_recover():
        owner.begin_delete_secret(name).result()
        refused(409, "ObjectIsDeletedButRecoverable", lambda: owner.set_secret(name, "x"))
        owner.begin_recover_deleted_secret(name).result()
        equal("value after recovery", owner.get_secret(name).value, "two")

    def purge():
        owner.begin_delete_secret(name).wait()
        owner.purge_deleted_secret(name)
        refused(404, "SecretNotFound", lambda: owner.get_deleted_secret(name))

    check("secrets/get", get)
    check("secrets/versions", versions)
    check("secrets/list-pages", pages)
    check("secrets/missing", lambda: refused(404, "SecretNotFound", lambda: own.get_secret("no-such-secret")))
    check("secrets/set-refused", lambda: refused(403, "ForbiddenByPolicy", lambda: own.set_secret(name, "x")))
    check("secrets/owner-set", owner_set)
    check("secrets/owner-delete-recover", delete_recover)
    check("secrets/owner-purge", purge)


def settings(s):
    own, owner = AzureAppConfigurationClient(s.store, s.own), AzureAppConfigurationClient(s.store, s.owner)
    key, label = f"written:{s.run}/a b", "l/1"

    def get():
        got = own.get_configuration_setting("DemoConfig", s.label)
        equal("value", got.value, "value from App Configuration")
        equal("lock", got.read_only, False)
        equal("odd key", own.get_configuration_setting("path/of:a key?", s.label).value, "odd characters")

    def unchanged():
        got = own.get_configuration_setting("DemoConfig", s.label)
        again = own.get_configuration_setting("DemoConfig", s.label, etag=got.etag, match_condition=MatchConditions.IfModified)
        equal("answer to If-None-Match", again, None)

    def labels():
        keys = lambda **f: [x.key for x in own.list_configuration_settings(**f)]
        equal("shared", keys(label_filter=s.shared_label), ["DemoConfig", "Greeting"])
        equal("prefix", keys(key_filter="Demo*", label_filter=s.label), ["DemoConfig", "DemoSecret"])
        equal("no label", keys(key_filter="Demo*", label_filter="\0"), [])

    def pages():
        equal("settings", len(list(own.list_configuration_settings(label_filter="many"))), 105)

    def write():
        setting = lambda value, etag=None: ConfigurationSetting(key=key, label=label, value=value, etag=etag)
        added = owner.add_configuration_setting(setting("one"))
        refused(412, "", lambda: owner.add_configuration_setting(setting("again")))
        written = owner.set_configuration_setting(setting("two", added.etag), match_condition=MatchConditions.IfNotModified)
        refused(412, "", lambda: owner.set_configuration_setting(setting("three", added.etag), match_condition=MatchConditions.IfNotModified))
        owner.delete_configuration_setting(key, label, etag=written.etag, match_condition=MatchConditions.IfNotModified)
        refused(404, "", lambda: owner.get_configuration_setting(key, label))

    def lock():
        locked = owner.set_read_only(owner.set_configuration_setting(ConfigurationSetting(key=key, value="locked")))
        equal("lock", locked.read_only, True)
        refused(409, "", lambda: owner.set_configuration_setting(ConfigurationSetting(key=key, value="x")))
        owner.set_read_only(locked, False)
        owner.delete_configuration_setting(key)

    check("settings/get", get)
    check("settings/get-unchanged", unchanged)
    check("settings/list-label", labels)
    check("settings/list-pages", pages)
    check("settings/missing", lambda: refused(404, "", lambda: own.get_configuration_setting("no:such")))
    check("settings/set-refused", lambda: refused(403, "", lambda: own.set_configuration_setting(ConfigurationSetting(key=key, value="x"))))
    check("settings/owner-write", write)
    check("settings/owner-lock", lock)


def provider(s):
    def loaded():
        selects = [SettingSelector(key_filter="*", label_filter=label) for label in (s.shared_label, s.label)]
        got = load(endpoint=s.store, credential=s.own, selects=selects, keyvault_credential=s.own)
        equal("DemoConfig", got["DemoConfig"], "value from App Configuration")
        equal("Greeting", got["Greeting"], "hello")
        equal("DemoSecret", got["DemoSecret"], s.secret)

    check("provider/load", loaded)


def blobs(s):
    service = BlobServiceClient(s.blobs, credential=s.own)
    container = service.get_container_client(s.container)
    prefix = s.run + "/"
    at = lambda name: container.get_blob_client(prefix + name)
    texts = {"a/1.txt": "No. one.", "a/2.txt": "two", "b.txt": "bé", "empty": "", "wé ird/+&?#%.txt": "odd"}

    def upload():
        for name, text in texts.items():
            at(name).upload_blob(text.encode(), content_settings=ContentSettings(content_type="text/plain"), metadata={"by": "a_test"})
            equal(name, at(name).download_blob().readall().decode(), text)

    def blocks():
        content = b"0123456789abcdef" * (3 << 16)
        small = BlobServiceClient(s.blobs, credential=s.own, max_single_put_size=1 << 20, max_block_size=1 << 20, max_single_get_size=1 << 20, max_chunk_get_size=1 << 20)
        big = small.get_blob_client(s.container, prefix + "big")
        big.upload_blob(content, max_concurrency=2)
        equal("content sent in blocks", big.download_blob(max_concurrency=2).readall() == content, True)

    def properties():
        got = at("a/1.txt").get_blob_properties()
        equal("size", got.size, 8)
        equal("content type", got.content_settings.content_type, "text/plain")
        equal("metadata", got.metadata, {"by": "a_test"})
        equal("exists", at("no/such").exists(), False)

    def hierarchy():
        names = sorted(item.name[len(prefix):] for item in container.walk_blobs(name_starts_with=prefix))
        equal("names", names, ["a/", "b.txt", "big", "empty", "wé ird/"])

    def delete():
        at("b.txt").delete_blob()
        refused(404, "BlobNotFound", lambda: at("b.txt").download_blob())
        refused(404, "BlobNotFound", lambda: at("b.txt").delete_blob())

    def own_container():
        mine = service.create_container("own-" + s.run)
        refused(409, "ContainerAlreadyExists", lambda: service.create_container("own-" + s.run))
        equal("listed", "own-" + s.run in [c.name for c in service.list_containers()], True)
        mine.delete_container()

    check("blobs/download", lambda: equal("content", container.download_blob("welcome.txt").readall(), b"welcome to widemo"))
    check("blobs/upload", upload)
    check("blobs/upload-blocks", blocks)
    check("blobs/ranges", lambda: equal("part", at("a/1.txt").download_blob(offset=4, length=3).readall(), b"one"))
    check("blobs/properties", properties)
    check("blobs/conditions", lambda: refused(409, "BlobAlreadyExists", lambda: at("b.txt").upload_blob(b"x")))
    check("blobs/list-flat", lambda: equal("names", [n[len(prefix):] for n in container.list_blob_names(name_starts_with=prefix, results_per_page=4)], ["a/1.txt", "a/2.txt", "b.txt", "big", "empty", "wé ird/+&?#%.txt"]))
    check("blobs/list-hierarchy", hierarchy)
    check("blobs/delete", delete)
    check("blobs/container", own_container)


def queues(s):
    service = QueueServiceClient(s.queues, credential=s.own)
    queue = service.get_queue_client("own-" + s.run)

    def send_peek():
        for text in ("one <&> é", "two"):
            queue.send_message(text)
        equal("peeked", [(m.content, m.dequeue_count) for m in queue.peek_messages(max_messages=10)], [("one <&> é", 0), ("two", 0)])

    def receive():
        message = next(iter(queue.receive_messages(visibility_timeout=60)))
        equal("received", (message.content, message.dequeue_count), ("one <&> é", 1))
        updated = queue.update_message(message, content="changed", visibility_timeout=0)
        refused(404, "MessageNotFound", lambda: queue.delete_message(message.id, message.pop_receipt))
        queue.delete_message(message.id, updated.pop_receipt)
        refused(404, "MessageNotFound", lambda: queue.delete_message(message.id, updated.pop_receipt))

    def clear():
        queue.clear_messages()
        equal("messages left", queue.get_queue_properties().approximate_message_count, 0)

    def delete():
        queue.delete_queue()
        refused(404, "QueueNotFound", lambda: queue.send_message("x"))

    check("queues/scenario", lambda: service.get_queue_client(s.queue).send_message("order of " + s.run))
    check("queues/create", queue.create_queue)
    check("queues/send-peek", send_peek)
    check("queues/receive-update-delete", receive)
    check("queues/clear", clear)
    check("queues/list", lambda: equal("listed", queue.queue_name in [q.name for q in service.list_queues(name_starts_with="own-")], True))
    check("queues/delete", delete)
