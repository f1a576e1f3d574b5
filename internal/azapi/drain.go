package azapi

import "io"

// maxDrain is the most that is read of a body that was refused, in bytes: the
// largest that an Azure SDK sends in one piece.
const maxDrain = 256 << 20

// drain reads the content of a refused write before the refusal is sent. Over
// HTTP/1.1 most clients (Python, Node, Java) send all of a body before they
// look for an answer; closing the connection on them turns a 403 into a broken
// pipe and minutes of retries. Only a caller whose token was verified is waited
// for. Over HTTP/2 the answer reaches the client while it sends.
func drain(r *Request) {
	if r.Operation == nil || !r.Operation.Stream || r.ProtoMajor >= 2 || r.Caller.ObjectID == "" || r.Header.Get("Expect") != "" {
		return
	}
	_, _ = io.CopyN(io.Discard, r.Body, maxDrain) // whatever ends it, the refusal is next
}
