/* SPDX-License-Identifier: MIT
 *
 * settings.js - Network > lansplice: /etc/config/lansplice, whose options are those of
 * lansplice.conf(5) with _ for -. What is left empty is not written, and has the daemon's default.
 * Not here: private_key and control, which the package sets, and event_command, which is the way to
 * the scripts in /etc/hotplug.d/lansplice and by which new peers come into this file.
 */
'use strict';
'require view';
'require form';
'require uci';

const guards = [ 'dhcp', 'ra', 'gateway', 'hosts', 'querier', 'stp' ];
const ciphers = [ 'aegis128l', 'aegis256', 'aes256gcm', 'chacha20poly1305' ];

/* A list of some of words, or one of alone by itself; nothing is right, too. */
function validateWords(words, alone) {
	return (section, value) => {
		const given = (value || '').split(' ').filter((word) => word != '');

		if (given.every((word) => words.indexOf(word) >= 0) ||
		    (given.length == 1 && alone.indexOf(given[0]) >= 0))
			return true;
		return _('Expecting: %s').format(alone.concat(words.join(' ')).join(_(', or some of: ')));
	};
}

function validateName(section, value) {
	return !value || /^[a-z0-9-]{1,32}$/.test(value) ||
		_('Expecting: %s').format(_('1 to 32 of a-z, 0-9 and -'));
}

/* host:port, [IPv6]:port, or the name of an SRV record. */
function validateEndpoint(section, value) {
	if (!value || /^_[A-Za-z0-9._-]+$/.test(value))
		return true;
	const parts = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})$/.exec(value);
	if (parts && +parts[1] >= 1 && +parts[1] <= 65535)
		return true;
	return _('Expecting: %s').format('home.example.net:7788, [2001:db8::1]:7788');
}

function validateKey(section, value) {
	return /^[A-Za-z0-9+\/]{43}=$/.test(value) ||
		_('Expecting: %s').format(_('a public key, 44 characters of base64'));
}

function validatePort(section, value) {
	return !value || value == 'auto' ||
		(/^[0-9]{1,5}$/.test(value) && +value >= 1 && +value <= 65535) ||
		_('Expecting: %s').format(_('a port, or auto'));
}

function validatePath(section, value) {
	return !value || /^\/[^\s#;]+$/.test(value) || _('Expecting: %s').format('/etc/lansplice/…');
}

function validateMaxDatagram(section, value) {
	if (!value || value == 'auto' || (/^[0-9]+$/.test(value) && +value >= 1200 && +value <= 9000))
		return true;
	return _('Expecting: %s').format(_('auto, or a number from 1200 to 9000'));
}

function validateKeepalive(section, value) {
	return !value || value == 'off' || /^[0-9]{1,5}$/.test(value) ||
		_('Expecting: %s').format(_('seconds, or off'));
}

/* By hand, people write on and yes, as lansplice.conf(5) has it. */
function addSwitch(s, name, title, help, initial) {
	const o = s.taboption('advanced', form.Flag, name, title, help);

	o.default = initial;
	o.load = (section) => {
		const value = uci.get('lansplice', section, name);
		const on = [ '1', 'on', 'yes', 'true', 'enabled' ].indexOf(value) >= 0;
		return value == null ? null : on ? '1' : '0';
	};
}

function addText(s, tab, name, title, help, placeholder, check) {
	const o = s.taboption(tab, form.Value, name, title, help);

	o.placeholder = placeholder;
	o.optional = true;
	if (typeof(check) == 'function')
		o.validate = check;
	else
		o.datatype = check;
	return o;
}

function siteGeneral(s) {
	const enabled = s.taboption('general', form.Flag, 'enabled', _('Enabled'),
		_('The key is made at the first start. Homes are brought together under Status > lansplice.'));
	enabled.rmempty = false;
	addText(s, 'general', 'name', _('Name'),
		_('What this home calls itself; the site\'s name if left empty.'), null, validateName);
	addText(s, 'general', 'bridge', _('Bridge'),
		_('The bridge of the LAN.'), 'br-lan', 'maxlength(15)');
	addText(s, 'general', 'port', _('UDP port'),
		_('Where this home can be called. auto: one of those that MAP-E leaves to this home.'),
		'7788', validatePort);

	const multicast = s.taboption('general', form.ListValue, 'multicast', _('Multicast'),
		_('Which groups cross to the other homes.'));
	multicast.value('', _('only those by which devices find each other'));
	multicast.value('all', _('all: for those who know their IPTV'));
	multicast.optional = true;

	const stun = s.taboption('general', form.DynamicList, 'stun', _('STUN servers'),
		_('Tell at which address the Internet sees this home behind its NAT. HOST or HOST:PORT.'));
	stun.datatype = 'maxlength(120)';
	stun.optional = true;
}

function siteAdvanced(s) {
	addSwitch(s, 'hub', _('Hub'),
		_('Pass frames from one home to another.'), '0');
	addSwitch(s, 'relay_for_peers', _('Relay for peers'),
		_('Let two other homes that cannot reach each other talk through this one. It cannot read what it passes on.'),
		'0');
	addSwitch(s, 'ra_routes', _('Routes of border routers'),
		_('Let IPv6 router advertisements cross that offer only specific routes, as those of Thread border routers.'),
		'0');
	addSwitch(s, 'ipv6_on_link', _('IPv6 prefixes on link'),
		_('Tell the LAN that the other homes\' IPv6 prefixes are on this link.'), '1');
	addSwitch(s, 'icmp_hint', _('Tell devices the packet size'),
		_('Devices that listen send packets that cross in one piece.'), '0');

	const ttl = s.taboption('advanced', form.ListValue, 'ttl_repair', _('TTL repair'),
		_('Without it, devices of the other home are not found by what they announce.'));
	ttl.value('', 'mDNS, SSDP');
	ttl.value('mdns', 'mDNS');
	ttl.value('ssdp', 'SSDP');
	ttl.value('off', _('off'));
	ttl.optional = true;

	addText(s, 'advanced', 'guard', _('Kept at home'),
		_('What does not cross between the homes; off lets everything cross.'),
		guards.join(' '), validateWords(guards, [ 'off' ]));
	addText(s, 'advanced', 'max_datagram', _('Largest packet'),
		_('The size of the packets on the line; it is measured if left empty.'),
		'auto', validateMaxDatagram);
	addText(s, 'advanced', 'ciphers', _('Ciphers'), _('Best first.'),
		'auto', validateWords(ciphers, [ 'auto' ]));
	addText(s, 'advanced', 'firewall_zone', _('Firewall zone'),
		_('Whose devices may call this home; - for nobody.'), 'wan', 'maxlength(32)');
	addText(s, 'advanced', 'tap', _('Interface'),
		_('What the tunnel\'s port of the bridge is called.'), 'lansplice0', 'maxlength(15)');

	const turn = s.taboption('advanced', form.DynamicList, 'turn', _('TURN servers'),
		_('Pass packets on when no direct path can be had. turn:USER@HOST:PORT, at most three.'));
	turn.datatype = 'maxlength(180)';
	turn.optional = true;
	addText(s, 'advanced', 'turn_secret', _('File with the TURN password'), null,
		'/etc/lansplice/home/turn.secret', validatePath);
	addText(s, 'advanced', 'rendezvous_command', _('Rendezvous command'),
		_('A program by which homes leave word of where they are.'), null, validatePath);
}

function peerOptions(s) {
	const site = s.option(form.ListValue, 'site', _('Site'));
	uci.sections('lansplice', 'site').forEach((one) => site.value(one['.name']));
	site.rmempty = false;

	const name = s.option(form.Value, 'name', _('Name'),
		_('What the other home is called here; the section\'s name if left empty.'));
	name.validate = validateName;
	name.optional = true;

	const key = s.option(form.Value, 'public_key', _('Public key'));
	key.validate = validateKey;
	key.rmempty = false;

	const endpoint = s.option(form.DynamicList, 'endpoint', _('Endpoints'),
		_('Where the other home can be called, up to four. May be left empty at one of the two homes.'));
	endpoint.validate = validateEndpoint;
	endpoint.optional = true;

	const keepalive = s.option(form.Value, 'keepalive', _('Keepalive'),
		_('Seconds of silence after which a packet keeps the way through a NAT open.'));
	keepalive.placeholder = '20';
	keepalive.validate = validateKeepalive;
	keepalive.optional = true;

	const psk = s.option(form.Value, 'preshared_key', _('File with the preshared key'));
	psk.validate = validatePath;
	psk.optional = true;
}

return view.extend({
	load: function() {
		return uci.load('lansplice');
	},

	render: function() {
		const map = new form.Map('lansplice', _('lansplice'),
			_('Splices the LANs of homes into one. Each home keeps its own router, its own DHCP and its own way to the Internet.'));

		const sites = map.section(form.TypedSection, 'site', _('Sites'),
			_('A site is this home as one group of homes sees it; most have one.'));
		sites.addremove = true;
		sites.anonymous = false;
		sites.tab('general', _('General'));
		sites.tab('advanced', _('Advanced'));
		siteGeneral(sites);
		siteAdvanced(sites);

		const peers = map.section(form.TypedSection, 'peer', _('Peers'),
			_('The other homes. They are added by invitation under Status > lansplice; here they can be changed and removed.'));
		peers.addremove = true;
		peers.anonymous = false;
		peerOptions(peers);

		return map.render();
	}
});
