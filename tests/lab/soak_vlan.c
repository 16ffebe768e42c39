/* SPDX-License-Identifier: MIT
 *
 * A VLAN interface for hosts whose kernel has none, as two eBPF programs for tc: what a host sends
 * into one end of a cable leaves by its card with a tag, and what comes to the card with that tag
 * leaves by the cable. The tag travels beside the frame, and large frames stay whole, as with
 * Linux's own VLAN interfaces. Built by soak_traffic.py, with clang -target bpf and these defined:
 *
 *   CARD, TRUNK         interface numbers
 *   VID                 of the outermost tag
 *   TYPE                its EtherType
 *   INNER_VID           of a second tag, 802.1Q; 0: none
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

enum { VID_BITS = 0xfff };

static long (*const vlan_push)(void *skb, __u16 type, __u16 tci) = (void *)BPF_FUNC_skb_vlan_push;
static long (*const vlan_pop)(void *skb) = (void *)BPF_FUNC_skb_vlan_pop;
static long (*const redirect)(__u32 interface, __u64 flags) = (void *)BPF_FUNC_redirect;

static __u16 network_order(__u16 value)
{
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap16(value) : value;
}

__attribute__((section("out"), used)) int add_tag(struct __sk_buff *skb)
{
    if (INNER_VID)
        vlan_push(skb, network_order(ETH_P_8021Q), INNER_VID);
    vlan_push(skb, network_order(TYPE), VID);
    return (int)redirect(CARD, 0);
}

__attribute__((section("in"), used)) int take_tag(struct __sk_buff *skb)
{
    if (!skb->vlan_present || (skb->vlan_tci & VID_BITS) != VID)
        return TC_ACT_UNSPEC; /* the next one looks at it */
    vlan_pop(skb);
    if (INNER_VID)
        vlan_pop(skb);
    return (int)redirect(TRUNK, 0);
}
