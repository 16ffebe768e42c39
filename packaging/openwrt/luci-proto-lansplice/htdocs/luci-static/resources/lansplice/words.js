/* SPDX-License-Identifier: MIT
 *
 * words.js - what lansplice's JSON says, in words for people. Text only: no DOM, no calls.
 */
'use strict';
'require baseclass';

const ciphers = {
	'aegis128l': 'AEGIS-128L',
	'aegis256': 'AEGIS-256',
	'aes256gcm': 'AES-256-GCM',
	'chacha20poly1305': 'ChaCha20-Poly1305'
};

return baseclass.extend({
	/** A peer's state as [ class, words ]; the class is good, wait or bad. */
	state: function(peer) {
		if (peer.shut)
			return [ 'bad', _('shut because of a loop') ];
		if (peer.joining)
			return [ 'wait', _('joining') ];
		if (peer.state == 'up')
			return [ 'good', _('connected') ];
		if (peer.invited)
			return [ 'wait', _('invited') ];
		if (peer.state == 'connecting')
			return [ 'wait', _('connecting') ];
		return [ 'bad', _('not connected') ];
	},

	path: function(peer) {
		switch (peer.path) {
		case 'direct4': return _('direct, IPv4');
		case 'direct6': return _('direct, IPv6');
		case 'relay':   return _('through a relay');
		default:        return '-';
		}
	},

	/** Where the peer is, or with a question mark where it is being called. */
	endpoint: function(peer) {
		if (peer.state == 'connecting' && peer.called_at)
			return peer.called_at + ' ?';
		return peer.endpoint || '-';
	},

	rtt: function(peer) {
		return peer.rtt_ms == null ? '-' : _('%.1f ms').format(peer.rtt_ms);
	},

	/** With a question mark while larger packets are being tried. */
	mtu: function(peer) {
		if (peer.path_mtu == null)
			return '-';
		return _('%d bytes').format(peer.path_mtu) + (peer.path_mtu_state == 'searching' ? ' ?' : '');
	},

	cipher: function(peer) {
		return ciphers[peer.cipher] || peer.cipher || '-';
	},

	traffic: function(bytes, frames) {
		return _('%1024.1mB in %d frames').format(bytes, frames);
	},

	clash: function(clash) {
		switch (clash.kind) {
		case 'gateway':
			return _('Both routers have the address %s, here and at %s: give one of them another.')
				.format(clash.address, clash.peer);
		case 'host':
			return _('%s is used in both homes, by %s here and by %s at %s: give one of them another address, or make the DHCP ranges of the homes disjoint.')
				.format(clash.address, clash.local_mac, clash.remote_mac, clash.peer);
		default:
			return _('This home and %s have no IPv4 subnet in common: devices are listed but may not be usable. Give both homes the same subnet with disjoint DHCP ranges.')
				.format(clash.peer);
		}
	},

	/** What is wrong with the site as a whole, one sentence each. */
	troubles: function(status) {
		const found = [];

		if (status.port_shut)
			found.push(_('A loop was found: the tunnel is shut until it is gone. Look for a second cable or Wi-Fi bridge between the homes.'));
		if (!status.bridge_attached)
			found.push(_('%s is in no bridge: the devices of this LAN are not reached.').format(status.tap));
		else if (!status.bridge_up)
			found.push(_('The bridge %s is down.').format(status.bridge));
		if (!status.tap_up)
			found.push(_('The interface %s is down.').format(status.tap));
		return found.concat((status.clashes || []).map((clash) => this.clash(clash)));
	},

	/** Counters worth a person's look: [ title, [ [ name, words, always shown ] ... ] ]. */
	counters: function() {
		return [
			[ _('Made findable'), [
				[ 'ttl_repaired_mdns', _('AirPlay, Chromecast and printers (mDNS answers mended)'), true ],
				[ 'ttl_repaired_ssdp', _('DLNA and UPnP devices (SSDP messages mended)'), true ]
			] ],
			[ _('Kept at home'), [
				[ 'guard_dhcp', _('DHCP messages'), true ],
				[ 'guard_ra', _('IPv6 router advertisements'), true ],
				[ 'guard_gateway', _('claims to be the other home\'s router'), true ],
				[ 'guard_hosts', _('claims to be a device of the other home'), false ],
				[ 'guard_source', _('frames from devices that live on the other side'), false ],
				[ 'guard_querier', _('multicast queries'), false ],
				[ 'guard_stp', _('spanning tree and the like'), false ],
				[ 'multicast_filtered', _('frames of groups that do not cross'), false ]
			] ],
			[ _('Dropped'), [
				[ 'loop_stopped', _('frames in a loop'), true ],
				[ 'storm_dropped', _('broadcasts over the limit'), false ],
				[ 'queue_dropped', _('frames in a long queue'), false ],
				[ 'auth_failed', _('packets that are not authentic'), false ],
				[ 'replay_dropped', _('packets received twice'), false ],
				[ 'reassembly_expired', _('frames with pieces missing'), false ],
				[ 'send_dropped', _('packets that could not be sent'), false ]
			] ]
		];
	},

	level: function(level) {
		switch (level) {
		case 'warn': return _('problem');
		case 'note': return _('note');
		default:     return _('fine');
		}
	}
});
