// Package network is the resource provider Microsoft.Network as far as clusters
// and firewalls need it: virtual networks with their subnets, public addresses,
// application gateways, network security groups, route tables and NAT gateways.
//
// It keeps what is configured, checks it as Azure does and shows what uses
// what. No packet passes through it. What it knows about addresses has one
// effect: [Networks.SubnetOf] names the subnet that a caller's address belongs
// to, and access.Admit decides whether a firewall lets that subnet in.
package network
