package dataplane

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/aksess/aksess/test/sdk/check"
	"github.com/aksess/aksess/test/sdk/deploy"
)

func (w *workload) blob(ctx context.Context, report *check.Report) error {
	c, err := azblob.NewClient(w.blobs, w.own, nil)
	if err != nil {
		return err
	}
	prefix := w.run + "/"
	report.Do(ctx, "blobs/download", func(ctx context.Context) error {
		return contentIs(ctx, c, "welcome.txt", blob.HTTPRange{}, "welcome to widemo")
	})
	report.Do(ctx, "blobs/upload", func(ctx context.Context) error { return upload(ctx, c, prefix) })
	report.Do(ctx, "blobs/upload-blocks", func(ctx context.Context) error { return uploadBlocks(ctx, c, prefix) })
	report.Do(ctx, "blobs/ranges", func(ctx context.Context) error {
		if err := contentIs(ctx, c, prefix+"a/1.txt", blob.HTTPRange{Offset: 4, Count: 3}, "one"); err != nil {
			return err
		}
		return contentIs(ctx, c, prefix+"a/1.txt", blob.HTTPRange{Offset: 4}, "one.")
	})
	report.Do(ctx, "blobs/properties", func(ctx context.Context) error { return properties(ctx, c, prefix) })
	report.Do(ctx, "blobs/conditions", func(ctx context.Context) error { return conditions(ctx, c, prefix) })
	report.Do(ctx, "blobs/list-flat", func(ctx context.Context) error { return listFlat(ctx, c, prefix) })
	report.Do(ctx, "blobs/list-hierarchy", func(ctx context.Context) error { return listHierarchy(ctx, c, prefix) })
	report.Do(ctx, "blobs/delete", func(ctx context.Context) error { return deleteBlob(ctx, c, prefix) })
	report.Do(ctx, "blobs/container", func(ctx context.Context) error { return w.container(ctx, c) })
	return nil
}

func contentIs(ctx context.Context, c *azblob.Client, name string, part blob.HTTPRange, want string) error {
	got, err := c.DownloadStream(ctx, deploy.Container, name, &azblob.DownloadStreamOptions{Range: part})
	if err != nil {
		return err
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		return err
	}
	if got.ETag == nil || got.LastModified == nil || got.BlobType == nil {
		return fmt.Errorf("got ETag %v, time %v, type %v, want all", got.ETag, got.LastModified, got.BlobType)
	}
	return check.Equal("content of "+name, string(text), want)
}

func upload(ctx context.Context, c *azblob.Client, prefix string) error {
	for name, text := range map[string]string{"a/1.txt": "No. one.", "a/2.txt": "two", "b.txt": "bé", "empty": "", "wé ird/+&?#%.txt": "odd"} {
		_, err := c.UploadBuffer(ctx, deploy.Container, prefix+name, []byte(text), &azblob.UploadBufferOptions{
			HTTPHeaders: &blob.HTTPHeaders{BlobContentType: to.Ptr("text/plain")}, Metadata: map[string]*string{"by": to.Ptr("a_test")},
		})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if name == "empty" {
			continue
		}
		if err := contentIs(ctx, c, prefix+name, blob.HTTPRange{}, text); err != nil {
			return err
		}
	}
	return nil
}

// uploadBlocks sends more than one block and reads it back in parallel ranges.
func uploadBlocks(ctx context.Context, c *azblob.Client, prefix string) error {
	content := bytes.Repeat([]byte("0123456789abcdef"), 3<<16) // 3 MiB
	_, err := c.UploadStream(ctx, deploy.Container, prefix+"big", bytes.NewReader(content), &azblob.UploadStreamOptions{BlockSize: 1 << 20, Concurrency: 2})
	if err != nil {
		return err
	}
	got := make([]byte, len(content))
	if _, err := c.DownloadBuffer(ctx, deploy.Container, prefix+"big", got, &azblob.DownloadBufferOptions{BlockSize: 1 << 20}); err != nil {
		return err
	}
	if !bytes.Equal(got, content) {
		return fmt.Errorf("what came back differs from what was sent")
	}
	return nil
}

func properties(ctx context.Context, c *azblob.Client, prefix string) error {
	at := c.ServiceClient().NewContainerClient(deploy.Container).NewBlobClient(prefix + "a/1.txt")
	got, err := at.GetProperties(ctx, nil)
	if err != nil {
		return err
	}
	if err := check.Equal("length", *got.ContentLength, 8); err != nil {
		return err
	}
	if err := check.Equal("content type", *got.ContentType, "text/plain"); err != nil {
		return err
	}
	if v := got.Metadata["By"]; v == nil || *v != "a_test" {
		return fmt.Errorf("metadata: got %v, want by=a_test", got.Metadata)
	}
	_, err = c.ServiceClient().NewContainerClient(deploy.Container).NewBlobClient("no/such").GetProperties(ctx, nil)
	return check.Refused(err, http.StatusNotFound, "BlobNotFound")
}

func conditions(ctx context.Context, c *azblob.Client, prefix string) error {
	once := &azblob.UploadBufferOptions{AccessConditions: &blob.AccessConditions{
		ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)},
	}}
	_, err := c.UploadBuffer(ctx, deploy.Container, prefix+"b.txt", []byte("x"), once)
	if err := check.Refused(err, http.StatusConflict, "BlobAlreadyExists"); err != nil {
		return err
	}
	stale := &azblob.UploadBufferOptions{AccessConditions: &blob.AccessConditions{
		ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: to.Ptr(azcore.ETag(`"0x0"`))},
	}}
	_, err = c.UploadBuffer(ctx, deploy.Container, prefix+"b.txt", []byte("x"), stale)
	return check.Refused(err, http.StatusPreconditionFailed, "ConditionNotMet")
}

func listFlat(ctx context.Context, c *azblob.Client, prefix string) error {
	var names []string
	pages := 0
	for pager := c.NewListBlobsFlatPager(deploy.Container, &azblob.ListBlobsFlatOptions{Prefix: to.Ptr(prefix), MaxResults: to.Ptr[int32](4)}); pager.More(); pages++ {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, item := range page.Segment.BlobItems {
			names = append(names, strings.TrimPrefix(*item.Name, prefix))
		}
	}
	if err := check.Equal("pages", pages, 2); err != nil {
		return err
	}
	return check.Equal("names", strings.Join(names, "|"), "a/1.txt|a/2.txt|b.txt|big|empty|wé ird/+&?#%.txt")
}

func listHierarchy(ctx context.Context, c *azblob.Client, prefix string) error {
	var names []string
	at := c.ServiceClient().NewContainerClient(deploy.Container)
	for pager := at.NewListBlobsHierarchyPager("/", &container.ListBlobsHierarchyOptions{Prefix: to.Ptr(prefix)}); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, folder := range page.Segment.BlobPrefixes {
			names = append(names, strings.TrimPrefix(*folder.Name, prefix))
		}
		for _, item := range page.Segment.BlobItems {
			names = append(names, strings.TrimPrefix(*item.Name, prefix))
		}
	}
	return check.Equal("names", strings.Join(names, "|"), "a/|wé ird/|b.txt|big|empty")
}

func deleteBlob(ctx context.Context, c *azblob.Client, prefix string) error {
	if _, err := c.DeleteBlob(ctx, deploy.Container, prefix+"b.txt", nil); err != nil {
		return err
	}
	_, err := c.DownloadStream(ctx, deploy.Container, prefix+"b.txt", nil)
	if err := check.Refused(err, http.StatusNotFound, "BlobNotFound"); err != nil {
		return err
	}
	_, err = c.DeleteBlob(ctx, deploy.Container, prefix+"b.txt", nil)
	return check.Refused(err, http.StatusNotFound, "BlobNotFound")
}

func (w *workload) container(ctx context.Context, c *azblob.Client) error {
	name := "own-" + w.run
	if _, err := c.CreateContainer(ctx, name, nil); err != nil {
		return err
	}
	_, err := c.CreateContainer(ctx, name, nil)
	if err := check.Refused(err, http.StatusConflict, "ContainerAlreadyExists"); err != nil {
		return err
	}
	found := false
	for pager := c.NewListContainersPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, item := range page.ContainerItems {
			found = found || *item.Name == name
		}
	}
	if !found {
		return fmt.Errorf("the container %q is not listed", name)
	}
	_, err = c.DeleteContainer(ctx, name, nil)
	return err
}
