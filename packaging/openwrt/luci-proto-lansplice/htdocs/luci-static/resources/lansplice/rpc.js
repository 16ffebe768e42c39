/* SPDX-License-Identifier: MIT
 *
 * rpc.js - calls of the ubus object `lansplice` (/usr/libexec/rpcd/lansplice, which describes the
 * answers).
 *
 * What goes wrong, on the way or in the command, is an Error whose message can be shown as it is.
 */
'use strict';
'require baseclass';
'require rpc';

function declare(method, params) {
	const call = rpc.declare({ object: 'lansplice', method: method, params: params, reject: true });

	return function() {
		return call.apply(null, arguments).then((answer) => {
			if (!answer || answer.error)
				throw new Error(answer ? answer.error : _('no answer'));
			return answer;
		});
	};
}

return baseclass.extend({
	sites: declare('sites', []),
	status: declare('status', [ 'site' ]),
	doctor: declare('doctor', [ 'site' ]),
	invite: declare('invite', [ 'site', 'name', 'endpoint' ]),
	join: declare('join', [ 'site', 'token' ]),
	accept: declare('accept', [ 'site', 'reply' ])
});
