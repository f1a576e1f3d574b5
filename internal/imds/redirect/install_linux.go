package redirect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Install sets the rules in the process's network namespace, in place of those
// of an earlier run. The error says what is missing: a right or a part of the
// kernel.
func Install(rules Rules) error {
	if err := rules.Validate(); err != nil {
		return err
	}
	conn, err := nftables.New()
	if err != nil {
		return explain(err)
	}
	table := &nftables.Table{Name: TableName, Family: nftables.TableFamilyINet}
	conn.AddTable(table) // so that there is one to delete
	conn.DelTable(table)
	conn.AddTable(table)
	// Before those that others redirect pods' traffic with, service meshes above
	// all, which use the usual priority.
	priority := nftables.ChainPriorityRef(*nftables.ChainPriorityNATDest - 10)
	chain := conn.AddChain(&nftables.Chain{
		Name: "output", Table: table, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookOutput, Priority: priority,
	})
	if rules.ExemptUID != nil {
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: exempt(*rules.ExemptUID)})
	}
	for _, address := range rules.Addresses {
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: redirect(address, rules)})
	}
	if err := conn.Flush(); err != nil {
		return explain(err)
	}
	return nil
}

// exempt accepts what the user sends. It is a rule of its own, and not a
// condition of the others, so that what has no user is redirected.
func exempt(uid uint32) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeySKUID, Register: 1},
		equal(binaryutil.NativeEndian.PutUint32(uid)),
		&expr.Verdict{Kind: expr.VerdictAccept},
	}
}

// redirect sends TCP for one address to the proxy's port on loopback.
func redirect(address netip.Addr, rules Rules) []expr.Any {
	family, offset := byte(unix.NFPROTO_IPV4), uint32(16) // of the destination in the header
	if address.Is6() {
		family, offset = unix.NFPROTO_IPV6, 24
	}
	destination := address.AsSlice()
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		equal([]byte{family}),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(len(destination))},
		equal(destination),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		equal([]byte{unix.IPPROTO_TCP}),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		equal(binary.BigEndian.AppendUint16(nil, rules.Port)),
		&expr.Immediate{Register: 1, Data: binary.BigEndian.AppendUint16(nil, rules.ToPort)},
		&expr.Redir{RegisterProtoMin: 1},
	}
}

func equal(data []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data}
}

// explain says what is missing.
func explain(err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("setting the rules is not permitted: the capability NET_ADMIN is missing, or the step does not run as root: %w", err)
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOENT), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("the kernel cannot redirect: it needs Linux 5.2 or later with nf_tables, nft_chain_nat and nft_redir (CONFIG_NF_TABLES_INET, CONFIG_NFT_NAT, CONFIG_NFT_REDIR), built in or loaded on the node: %w", err)
	}
	return fmt.Errorf("setting the rules: %w", err)
}
