package com.github.aksess.clients;

import static com.github.aksess.clients.Check.check;
import static com.github.aksess.clients.Check.equal;
import static com.github.aksess.clients.Check.refused;

import com.azure.core.util.BinaryData;
import com.azure.core.util.Context;
import com.azure.storage.blob.BlobClient;
import com.azure.storage.blob.BlobContainerClient;
import com.azure.storage.blob.BlobServiceClient;
import com.azure.storage.blob.BlobServiceClientBuilder;
import com.azure.storage.blob.models.BlobHttpHeaders;
import com.azure.storage.blob.models.BlobProperties;
import com.azure.storage.blob.models.BlobRange;
import com.azure.storage.blob.models.ListBlobsOptions;
import com.azure.storage.blob.models.ParallelTransferOptions;
import com.azure.storage.blob.options.BlobParallelUploadOptions;
import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

final class Blobs {
    private static final String ODD = "wé ird/+&?#%.txt";

    private Blobs() {
    }

    private static BlobClient at(BlobContainerClient container, String name) {
        return container.getBlobClient(name);
    }

    private static String text(BlobClient blob) {
        return blob.downloadContent().toString();
    }

    static void run(Main s) {
        BlobServiceClient service = new BlobServiceClientBuilder().endpoint(Main.env("BLOB_URL")).credential(s.own).buildClient();
        BlobContainerClient container = service.getBlobContainerClient(Main.CONTAINER);
        String prefix = s.run + "/";

        check("blobs/download", () -> equal("content", text(at(container, "welcome.txt")), "welcome to widemo"));
        check("blobs/upload", () -> {
            Map<String, String> texts = Map.of("a/1.txt", "No. one.", "a/2.txt", "two", "b.txt", "bé", "empty", "", ODD, "odd");
            for (Map.Entry<String, String> e : texts.entrySet()) {
                BlobClient blob = at(container, prefix + e.getKey());
                blob.uploadWithResponse(new BlobParallelUploadOptions(BinaryData.fromString(e.getValue()))
                    .setHeaders(new BlobHttpHeaders().setContentType("text/plain")).setMetadata(Map.of("by", "a_test")), null, Context.NONE);
                equal(e.getKey(), text(blob), e.getValue());
            }
        });
        check("blobs/upload-blocks", () -> {
            byte[] content = "0123456789abcdef".repeat(3 << 16).getBytes();
            BlobClient blob = at(container, prefix + "big");
            blob.uploadWithResponse(new BlobParallelUploadOptions(BinaryData.fromBytes(content)).setParallelTransferOptions(
                new ParallelTransferOptions().setBlockSizeLong(1L << 20).setMaxSingleUploadSizeLong(1L << 20).setMaxConcurrency(2)), null, Context.NONE);
            equal("content sent in blocks", Arrays.equals(blob.downloadContent().toBytes(), content), true);
        });
        check("blobs/ranges", () -> {
            ByteArrayOutputStream part = new ByteArrayOutputStream();
            at(container, prefix + "a/1.txt").downloadStreamWithResponse(part, new BlobRange(4, 3L), null, null, false, null, Context.NONE);
            equal("part", part.toString(), "one");
        });
        check("blobs/properties", () -> {
            BlobProperties got = at(container, prefix + "a/1.txt").getProperties();
            equal("size", got.getBlobSize(), 8L);
            equal("content type", got.getContentType(), "text/plain");
            equal("metadata", got.getMetadata(), Map.of("by", "a_test"));
            equal("exists", at(container, "no/such").exists(), false);
        });
        check("blobs/conditions", () -> refused(409, "BlobAlreadyExists", () -> {
            at(container, prefix + "b.txt").upload(BinaryData.fromString("x"));
            return "an upload";
        }));
        check("blobs/list-flat", () -> equal("names",
            container.listBlobs(new ListBlobsOptions().setPrefix(prefix).setMaxResultsPerPage(4), null).stream()
                .map(b -> b.getName().substring(prefix.length())).collect(Collectors.toList()),
            List.of("a/1.txt", "a/2.txt", "b.txt", "big", "empty", ODD)));
        check("blobs/list-hierarchy", () -> equal("names",
            container.listBlobsByHierarchy(prefix).stream().map(b -> b.getName().substring(prefix.length())).sorted().collect(Collectors.toList()),
            List.of("a/", "b.txt", "big", "empty", "wé ird/")));
        check("blobs/delete", () -> {
            BlobClient blob = at(container, prefix + "b.txt");
            blob.delete();
            refused(404, "BlobNotFound", blob::downloadContent);
            equal("deleted again", blob.deleteIfExists(), false);
        });
        check("blobs/container", () -> {
            String name = "own-" + s.run;
            BlobContainerClient mine = service.createBlobContainer(name);
            refused(409, "ContainerAlreadyExists", () -> service.createBlobContainer(name));
            equal("listed", service.listBlobContainers().stream().anyMatch(c -> c.getName().equals(name)), true);
            mine.delete();
        });
    }
}
