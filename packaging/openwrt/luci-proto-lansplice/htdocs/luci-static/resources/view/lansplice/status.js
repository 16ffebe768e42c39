/* SPDX-License-Identifier: MIT
 *
 * status.js - Status > lansplice: each site of /etc/config/lansplice with its peers, what it
 * mended and kept at home, and what `doctor` finds.
 *
 * The frame of a site is drawn once; polling fills its parts anew, so that an opened fold of
 * doctor's stays open. A call that fails is shown in the part that it was for.
 */
'use strict';
'require view';
'require dom';
'require poll';
'require ui';
'require lansplice.rpc as calls';
'require lansplice.words as words';
'require lansplice.dialogs as dialogs';

const pollSeconds = 5;

function message(level, children) {
	return E('div', { 'class': 'alert-message ' + level }, children);
}

function fact(name, label, value) {
	return [ E('dt', [ label ]), E('dd', { 'data-field': name }, [ value ]) ];
}

function badge(state, text) {
	return E('span', { 'class': 'lansplice-badge lansplice-' + state, 'data-field': 'state' },
		[ text ]);
}

function peerCard(peer) {
	const state = words.state(peer);
	const facts = [].concat(
		fact('rtt_ms', _('Round trip'), words.rtt(peer)),
		fact('path', _('Path'), words.path(peer)),
		fact('endpoint', _('Endpoint'), words.endpoint(peer)),
		fact('path_mtu', _('Largest packet'), words.mtu(peer)),
		fact('cipher', _('Cipher'), words.cipher(peer)),
		fact('tx', _('Sent'), words.traffic(peer.tx_bytes, peer.tx_frames)),
		fact('rx', _('Received'), words.traffic(peer.rx_bytes, peer.rx_frames)),
		fact('lost', _('Lost'), _('%d packets, probes for the size included').format(peer.lost)),
		fact('macs', _('Devices seen there'), '' + peer.macs),
		fact('last_handshake_s', _('Last handshake'),
		     peer.last_handshake_s == null ? '-' : _('%t ago').format(peer.last_handshake_s)));

	return E('div', { 'class': 'lansplice-card', 'data-peer': peer.name }, [
		E('h4', [ peer.name, ' ', badge(state[0], state[1]) ]),
		E('dl', { 'class': 'lansplice-facts' }, facts)
	]);
}

function siteFacts(status) {
	return E('p', { 'class': 'lansplice-site-facts' }, [
		'lansplice %s · '.format(status.version),
		_('up %t').format(status.uptime_s), ' · ',
		status.bridge_attached ? _('%s in bridge %s').format(status.tap, status.bridge)
			: _('%s in no bridge').format(status.tap)
	]);
}

function counterGroup(group, counters) {
	const rows = group[1].filter((row) => row[2] || counters[row[0]] > 0);

	return E('div', { 'class': 'lansplice-card' }, [
		E('h4', [ group[0] ]),
		E('dl', { 'class': 'lansplice-counters' }, [].concat.apply([], rows.map((row) =>
			fact(row[0], row[1], '' + (counters[row[0]] || 0)))))
	]);
}

function renderStatus(status) {
	const peers = status.peers.length ? status.peers.map(peerCard)
		: [ E('p', [ E('em', [ _('No other home yet: invite one, or join one.') ]) ]) ];

	return [ siteFacts(status) ].concat(
		words.troubles(status).map((text) => message('warning', [ E('p', [ text ]) ])),
		E('div', { 'class': 'lansplice-cards' }, peers),
		E('div', { 'class': 'lansplice-cards lansplice-counts' },
		  words.counters().map((group) => counterGroup(group, status.counters))));
}

function renderStatusError(site, error) {
	return [ message('warning', [
		E('p', [ site.enabled ? _('The state of %s is not known: its daemon does not answer.').format(site.name)
			: _('%s is not enabled: see Network > lansplice.').format(site.name) ]),
		E('p', { 'data-field': 'error' }, [ error.message ])
	]) ];
}

function finding(one) {
	const level = E('span', { 'class': 'lansplice-badge' }, [ words.level(one.level) ]);

	return E('div', { 'class': 'lansplice-finding lansplice-' + one.level, 'data-level': one.level }, [
		E('p', [ level, ' ', one.text ]),
		one.meaning ? E('p', { 'class': 'lansplice-meaning' }, [ one.meaning ]) : '',
		one.advice ? E('p', { 'class': 'lansplice-advice' }, [ '→ ', one.advice ]) : ''
	]);
}

/* The worst first; what is fine is folded away. */
function renderDoctor(report) {
	const of = (level) => report.findings.filter((one) => one.level == level);
	const bad = of('warn').concat(of('note')), fine = of('ok');

	return [
		bad.length ? '' : E('p', [ _('Nothing is wrong.') ]),
		E('div', bad.map(finding)),
		E('details', [
			E('summary', [ _('As it should be: %d').format(fine.length) ]),
			E('div', fine.map(finding))
		])
	];
}

function examine(site, place) {
	return calls.doctor(site.name).then(renderDoctor, (error) =>
		[ message('warning', [ E('p', { 'data-field': 'error' }, [ error.message ]) ]) ])
		.then((nodes) => dom.content(place, nodes));
}

function refresh(site, place) {
	return calls.status(site.name).then(renderStatus, (error) => renderStatusError(site, error))
		.then((nodes) => dom.content(place, nodes));
}

function actions(site) {
	const readonly = !L.hasViewPermission() || null;
	const button = (text, action) => E('button', { 'class': 'btn cbi-button cbi-button-action',
		'disabled': readonly, 'click': () => dialogs[action](site.name), 'data-action': action },
		[ text ]);

	return E('div', { 'class': 'lansplice-buttons' }, [
		button(_('Invite a home'), 'invite'), ' ',
		button(_('Join a home'), 'join'), ' ',
		button(_('Take a reply'), 'accept')
	]);
}

function renderSite(site) {
	const status = E('div', { 'data-part': 'status' }), doctor = E('div', { 'data-part': 'doctor' });
	const again = E('button', { 'class': 'btn cbi-button', 'data-action': 'doctor',
		'click': ui.createHandlerFn(null, () => examine(site, doctor)) }, [ _('Look again') ]);

	dom.content(status, [ E('em', [ _('Loading') ]) ]);
	dom.content(doctor, [ E('em', [ _('Loading') ]) ]);
	refresh(site, status); /* polling may be some seconds away */
	poll.add(() => refresh(site, status), pollSeconds);
	examine(site, doctor);
	return E('div', { 'class': 'cbi-section lansplice-site', 'data-site': site.name }, [
		E('h3', [ site.name ]),
		actions(site), status,
		E('h3', [ _('Doctor') ]), doctor, again
	]);
}

return view.extend({
	load: function() {
		return calls.sites().then((answer) => answer.sites);
	},

	render: function(sites) {
		return E('div', { 'class': 'lansplice' }, [
			E('link', { 'rel': 'stylesheet', 'href': L.resource('lansplice/lansplice.css') }),
			E('h2', [ _('lansplice: homes that share a LAN') ])
		].concat(sites.length ? sites.map(renderSite)
			: E('p', [ _('No site is set up: see Network > lansplice.') ])));
	},

	handleReset: null,
	handleSave: null,
	handleSaveApply: null
});
