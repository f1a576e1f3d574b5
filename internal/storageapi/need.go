package storageapi

// need is what a signature must have for an operation: one of the letters, and
// for an account's SAS the level. An empty service means that no service SAS
// permits it.
type need struct{ level, account, service string }

// needOf is what a signature must have for an operation; false for those that
// no signature permits
// (https://learn.microsoft.com/rest/api/storageservices/create-account-sas#account-sas-permissions-by-operation,
// https://learn.microsoft.com/rest/api/storageservices/create-service-sas#permissions-for-a-directory-container-or-blob).
func needOf(operation string) (need, bool) {
	switch operation {
	case "GetServiceProperties":
		return need{"s", "r", ""}, true
	case "SetServiceProperties":
		return need{"s", "w", ""}, true
	case "ListContainers", "ListQueues", "ListShares":
		return need{"s", "l", ""}, true
	case "QueryTables":
		return need{"c", "l", ""}, true
	case "CreateContainer", "CreateQueue":
		return need{"c", "cw", ""}, true
	case "GetContainerProperties", "HeadContainerProperties", "GetContainerMetadata", "HeadContainerMetadata":
		return need{"c", "r", ""}, true
	case "SetContainerMetadata", "SetQueueMetadata":
		return need{"c", "w", ""}, true
	case "LeaseContainer":
		return need{"c", "w", ""}, true
	case "DeleteContainer", "DeleteQueue":
		return need{"c", "d", ""}, true
	case "ListBlobs":
		return need{"c", "l", "l"}, true
	case "PutBlob":
		return need{"o", "wc", "wc"}, true
	case "SnapshotBlob":
		return need{"o", "cw", "cw"}, true
	case "PutBlock", "PutBlockList":
		return need{"o", "w", "wc"}, true
	case "GetBlockList", "GetBlob", "GetBlobProperties", "GetBlobMetadata", "HeadBlobMetadata", "PeekMessages":
		return need{"o", "r", "r"}, true
	case "SetBlobProperties", "SetBlobMetadata", "SetBlobTier", "LeaseBlob", "AbortCopyBlob":
		return need{"o", "w", "w"}, true
	case "GetBlobTags", "SetBlobTags":
		return need{"o", "t", "t"}, true
	case "DeleteBlob":
		return need{"o", "d", "d"}, true
	case "GetQueueMetadata", "HeadQueueMetadata":
		return need{"c", "r", "r"}, true
	case "PutMessage":
		return need{"o", "a", "a"}, true
	case "GetMessages", "GetMessagesNotPeek", "DeleteMessage":
		return need{"o", "p", "p"}, true
	case "UpdateMessage":
		return need{"o", "u", "u"}, true
	case "ClearMessages":
		return need{"o", "d", ""}, true
	}
	return need{}, false
}
