package com.github.aksess.clients;

import static com.github.aksess.clients.Check.check;
import static com.github.aksess.clients.Check.equal;
import static com.github.aksess.clients.Check.refused;

import com.azure.core.util.Context;
import com.azure.storage.queue.QueueClient;
import com.azure.storage.queue.QueueServiceClient;
import com.azure.storage.queue.QueueServiceClientBuilder;
import com.azure.storage.queue.models.QueueMessageItem;
import com.azure.storage.queue.models.QueuesSegmentOptions;
import com.azure.storage.queue.models.UpdateMessageResult;
import java.time.Duration;
import java.util.List;
import java.util.stream.Collectors;

final class Queues {
    private Queues() {
    }

    static void run(Main s) {
        QueueServiceClient service = new QueueServiceClientBuilder().endpoint(Main.env("QUEUE_URL")).credential(s.own).buildClient();
        QueueClient queue = service.getQueueClient("own-" + s.run);

        check("queues/scenario", () -> service.getQueueClient(Main.QUEUE).sendMessage("order of " + s.run));
        check("queues/create", () -> {
            equal("status", queue.createWithResponse(null, null, Context.NONE).getStatusCode(), 201);
            equal("status when it is there", queue.createWithResponse(null, null, Context.NONE).getStatusCode(), 204);
        });
        check("queues/send-peek", () -> {
            queue.sendMessage("one <&> é");
            queue.sendMessage("two");
            List<String> peeked = queue.peekMessages(10, null, Context.NONE).stream()
                .map(m -> m.getBody() + " " + m.getDequeueCount()).collect(Collectors.toList());
            equal("peeked", peeked, List.of("one <&> é 0", "two 0"));
        });
        check("queues/receive-update-delete", () -> {
            QueueMessageItem m = queue.receiveMessages(1, Duration.ofSeconds(60), null, Context.NONE).iterator().next();
            equal("received", m.getBody() + " " + m.getDequeueCount(), "one <&> é 1");
            UpdateMessageResult updated = queue.updateMessage(m.getMessageId(), m.getPopReceipt(), "changed", Duration.ZERO);
            refused(404, "MessageNotFound", () -> queue.deleteMessageWithResponse(m.getMessageId(), m.getPopReceipt(), null, Context.NONE));
            queue.deleteMessage(m.getMessageId(), updated.getPopReceipt());
            refused(404, "MessageNotFound", () -> queue.deleteMessageWithResponse(m.getMessageId(), updated.getPopReceipt(), null, Context.NONE));
        });
        check("queues/clear", () -> {
            queue.clearMessages();
            equal("messages left", queue.getProperties().getApproximateMessagesCount(), 0);
        });
        check("queues/list", () -> equal("listed",
            service.listQueues(new QueuesSegmentOptions().setPrefix("own-"), null, Context.NONE).stream()
                .anyMatch(q -> q.getName().equals(queue.getQueueName())), true));
        check("queues/delete", () -> {
            queue.delete();
            refused(404, "QueueNotFound", () -> queue.sendMessage("x"));
        });
    }
}
