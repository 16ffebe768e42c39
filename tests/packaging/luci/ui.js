/* SPDX-License-Identifier: MIT
 *
 * ui.js - a stand-in for LuCI's ui.js: the modal dialog, and handlers that keep their button busy
 * until the promise they return is settled.
 */
'use strict';
'require baseclass';
'require dom';

return baseclass.extend({
	showModal: function(title, children) {
		let overlay = document.getElementById('modal_overlay');

		if (!overlay) {
			overlay = E('div', { 'id': 'modal_overlay' }, [
				E('div', { 'class': 'modal cbi-modal', 'role': 'dialog', 'aria-modal': 'true' }) ]);
			document.body.appendChild(overlay);
		}
		dom.content(overlay.firstElementChild, [ E('h4', [ title ]) ].concat(children));
		document.body.classList.add('modal-overlay-active');
		return overlay.firstElementChild;
	},

	hideModal: function() {
		document.body.classList.remove('modal-overlay-active');
	},

	createHandlerFn: function(context, handler) {
		const given = Array.prototype.slice.call(arguments, 2);

		return function(event) {
			const button = event.currentTarget;
			button.classList.add('spinning');
			button.disabled = true;
			Promise.resolve(handler.apply(context, given.concat(event))).finally(() => {
				button.classList.remove('spinning');
				button.disabled = false;
			});
		};
	}
});
