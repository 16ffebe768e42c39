/* SPDX-License-Identifier: MIT
 *
 * dialogs.js - bring two homes together: invite here and join there; where neither can be called,
 * the reply line that join printed goes back into accept.
 *
 * Each dialog asks, calls, and then shows the answer in the same place. A token leaves the page
 * when the dialog is closed.
 */
'use strict';
'require baseclass';
'require dom';
'require ui';
'require lansplice.rpc as calls';
'require lansplice.qr as qr';

function close(body) {
	dom.content(body, []);
	ui.hideModal();
}

function buttons(body, more) {
	return E('div', { 'class': 'right lansplice-buttons' }, [
		E('button', { 'class': 'btn cbi-button', 'click': () => close(body) }, [ _('Close') ])
	].concat(more || []));
}

function field(label, input, help) {
	return E('label', { 'class': 'lansplice-field' }, [
		E('strong', [ label ]), input,
		help ? E('span', { 'class': 'cbi-value-description' }, [ help ]) : ''
	]);
}

function problem(error) {
	return E('div', { 'class': 'alert-message warning' }, [ E('p', [ error.message ]) ]);
}

/* The text to pass on. The clipboard API is for https only, which few routers speak. */
function toCopy(text, name) {
	const area = E('textarea', { 'class': 'cbi-input-textarea lansplice-text', 'readonly': 'readonly',
		'rows': 5, 'data-field': name }, [ text ]);
	const copy = () => {
		area.select();
		document.execCommand('copy');
	};

	return E('div', [ area,
		E('button', { 'class': 'btn cbi-button', 'click': copy }, [ _('Copy') ]) ]);
}

function fingerprint(label, text) {
	return E('p', [ label, ' ',
		E('code', { 'class': 'lansplice-fingerprint', 'data-field': 'fingerprint' }, [ text ]) ]);
}

/* Ask with fields, on the button call, and show what the answer gives; an error leaves the fields
 * as they are. */
function open(title, fields, verb, call, show) {
	const body = E('div', { 'class': 'lansplice-dialog' }), errors = E('div');
	const submit = ui.createHandlerFn(null, () => call().then((answer) => {
		dom.content(body, show(answer).concat(buttons(body)));
	}).catch((error) => {
		dom.content(errors, [ problem(error) ]);
	}));

	dom.content(body, fields.concat(errors, buttons(body, [ ' ',
		E('button', { 'class': 'btn cbi-button cbi-button-action important', 'click': submit }, [ verb ])
	])));
	ui.showModal(title, [ body ]);
}

function shownInvitation(answer, name) {
	return [
		E('p', [ _('On the other home\'s router, choose "Join a home" and paste this token, or scan the code. It lets one home join as %s, once, within an hour. It is a secret: pass it on by a way that you trust.').format(name) ]),
		E('div', { 'class': 'lansplice-token' }, [ toCopy(answer.token, 'token'), qr.svg(answer.token) ]),
		fingerprint(_('The other home must show this fingerprint:'), answer.fingerprint),
		E('details', [ E('summary', [ _('What the command said') ]), E('pre', [ answer.text ]) ])
	];
}

function shownJoin(answer) {
	return [
		fingerprint(_('Joined. The home that invited you must have shown this fingerprint:'), answer.fingerprint),
		E('p', [ _('If it is another one, somebody has changed the token: remove the peer in the settings at once, and have a new token made.') ])
	].concat(answer.reply ? [
		E('p', [ _('If the homes are not connected within a minute, neither can be called: then choose "Take a reply" at the other home and paste this line. It is no secret.') ]),
		toCopy(answer.reply, 'reply'),
		fingerprint(_('The other home must then show this fingerprint:'), answer.reply_fingerprint)
	] : [], E('details', [ E('summary', [ _('What the command said') ]), E('pre', [ answer.text ]) ]));
}

function shownReply(answer) {
	return [
		fingerprint(_('The reply was taken. The home that joined must have shown this fingerprint:'), answer.fingerprint),
		E('details', [ E('summary', [ _('What the command said') ]), E('pre', [ answer.text ]) ])
	];
}

return baseclass.extend({
	invite: function(site) {
		const name = E('input', { 'class': 'cbi-input-text', 'type': 'text', 'name': 'name',
			'maxlength': 32, 'placeholder': 'parents', 'autocapitalize': 'none' });
		const endpoint = E('input', { 'class': 'cbi-input-text', 'type': 'text', 'name': 'endpoint',
			'placeholder': 'home.example.net:7788', 'autocapitalize': 'none' });

		open(_('Invite a home'), [
			field(_('Name of the other home'), name, _('What it is to be called here: a-z, 0-9 and -.')),
			field(_('Where this home can be called'), endpoint,
			      _('Its name or address in the Internet, and the port. May be left empty.'))
		], _('Make a token'),
		() => calls.invite(site, name.value.trim(), endpoint.value.trim()),
		(answer) => shownInvitation(answer, name.value.trim()));
	},

	join: function(site) {
		const token = E('textarea', { 'class': 'cbi-input-textarea lansplice-text', 'rows': 6,
			'name': 'token', 'placeholder': 'lansplice1:…', 'autocomplete': 'off', 'spellcheck': 'false' });

		open(_('Join a home'), [
			field(_('Token'), token, _('The line that "Invite a home" showed at the other home.'))
		], _('Join'), () => calls.join(site, token.value), (answer) => {
			token.value = '';
			return shownJoin(answer);
		});
	},

	accept: function(site) {
		const reply = E('textarea', { 'class': 'cbi-input-textarea lansplice-text', 'rows': 6,
			'name': 'reply', 'placeholder': 'lansplice-reply1:…', 'spellcheck': 'false' });

		open(_('Take a reply'), [
			field(_('Reply line'), reply, _('The line that "Join a home" showed at the other home. It is needed only when neither home can be called.'))
		], _('Take it'), () => calls.accept(site, reply.value), shownReply);
	}
});
