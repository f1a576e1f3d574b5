package dataplane

import (
	"context"
	"fmt"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"github.com/aksess/aksess/test/sdk/check"
	"github.com/aksess/aksess/test/sdk/deploy"
)

func (w *workload) queue(ctx context.Context, report *check.Report) error {
	service, err := azqueue.NewServiceClient(w.queues, w.own, nil)
	if err != nil {
		return err
	}
	q := service.NewQueueClient("own-" + w.run)
	report.Do(ctx, "queues/scenario", func(ctx context.Context) error {
		_, err := service.NewQueueClient(deploy.Queue).EnqueueMessage(ctx, "order of "+w.run, nil)
		return err
	})
	report.Do(ctx, "queues/create", func(ctx context.Context) error {
		if _, err := q.Create(ctx, nil); err != nil {
			return err
		}
		_, err := q.Create(ctx, nil) // 204: it is there
		return err
	})
	report.Do(ctx, "queues/send-peek", func(ctx context.Context) error { return sendAndPeek(ctx, q) })
	report.Do(ctx, "queues/receive-update-delete", func(ctx context.Context) error { return receive(ctx, q) })
	report.Do(ctx, "queues/clear", func(ctx context.Context) error { return clearQueue(ctx, q) })
	report.Do(ctx, "queues/list", func(ctx context.Context) error { return listQueues(ctx, service, "own-"+w.run) })
	report.Do(ctx, "queues/delete", func(ctx context.Context) error {
		if _, err := q.Delete(ctx, nil); err != nil {
			return err
		}
		_, err := q.EnqueueMessage(ctx, "x", nil)
		return check.Refused(err, http.StatusNotFound, "QueueNotFound")
	})
	return nil
}

func sendAndPeek(ctx context.Context, q *azqueue.QueueClient) error {
	for _, text := range []string{"one <&> é", "two"} {
		sent, err := q.EnqueueMessage(ctx, text, nil)
		if err != nil {
			return err
		}
		if len(sent.Messages) != 1 || sent.Messages[0].MessageID == nil || sent.Messages[0].PopReceipt == nil || sent.Messages[0].ExpirationTime == nil {
			return fmt.Errorf("got %+v, want a message with id, receipt and end", sent.Messages)
		}
	}
	peeked, err := q.PeekMessages(ctx, &azqueue.PeekMessagesOptions{NumberOfMessages: to.Ptr[int32](10)})
	if err != nil {
		return err
	}
	if len(peeked.Messages) != 2 {
		return fmt.Errorf("peeked %d messages, want 2", len(peeked.Messages))
	}
	if err := check.Equal("count of the peeked", *peeked.Messages[0].DequeueCount, 0); err != nil {
		return err
	}
	return check.Equal("text", *peeked.Messages[0].MessageText, "one <&> é")
}

func receive(ctx context.Context, q *azqueue.QueueClient) error {
	got, err := q.DequeueMessage(ctx, &azqueue.DequeueMessageOptions{VisibilityTimeout: to.Ptr[int32](60)})
	if err != nil {
		return err
	}
	if len(got.Messages) != 1 {
		return fmt.Errorf("received %d messages, want 1", len(got.Messages))
	}
	m := got.Messages[0]
	if err := check.Equal("text", *m.MessageText, "one <&> é"); err != nil {
		return err
	}
	if err := check.Equal("times received", *m.DequeueCount, 1); err != nil {
		return err
	}
	updated, err := q.UpdateMessage(ctx, *m.MessageID, *m.PopReceipt, "changed", &azqueue.UpdateMessageOptions{VisibilityTimeout: to.Ptr[int32](0)})
	if err != nil {
		return fmt.Errorf("updating: %w", err)
	}
	// A receipt that an update has replaced finds nothing (Delete Message, remarks).
	_, err = q.DeleteMessage(ctx, *m.MessageID, *m.PopReceipt, nil)
	if err := check.Refused(err, http.StatusNotFound, "MessageNotFound"); err != nil {
		return err
	}
	if _, err := q.DeleteMessage(ctx, *m.MessageID, *updated.PopReceipt, nil); err != nil {
		return err
	}
	_, err = q.DeleteMessage(ctx, *m.MessageID, *updated.PopReceipt, nil)
	return check.Refused(err, http.StatusNotFound, "MessageNotFound")
}

func clearQueue(ctx context.Context, q *azqueue.QueueClient) error {
	if _, err := q.ClearMessages(ctx, nil); err != nil {
		return err
	}
	got, err := q.GetProperties(ctx, nil)
	if err != nil {
		return err
	}
	return check.Equal("messages left", *got.ApproximateMessagesCount, 0)
}

func listQueues(ctx context.Context, service *azqueue.ServiceClient, name string) error {
	for pager := service.NewListQueuesPager(&azqueue.ListQueuesOptions{Prefix: to.Ptr("own-")}); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, item := range page.Queues {
			if *item.Name == name {
				return nil
			}
		}
	}
	return fmt.Errorf("the queue %q is not listed", name)
}
