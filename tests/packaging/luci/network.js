/* SPDX-License-Identifier: MIT
 *
 * network.js - a stand-in for LuCI's network.js: what a protocol registers, and the little that its
 * class inherits. register*() as there: the class comes back, with the protocol's name.
 */
'use strict';
'require baseclass';
'require uci';

const Protocol = baseclass.extend({
	__init__: function(name, state) {
		this.sid = name;
		this.state = state || {};
	},

	_get: function(option) {
		return uci.get('network', this.sid, option);
	},

	_ubus: function(field) {
		return this.state[field];
	}
});

return baseclass.extend({
	protocols: {},
	errors: {},

	registerPatternVirtual: function(pattern) {
		this.virtual = pattern;
	},

	registerErrorCode: function(code, text) {
		this.errors[code] = text;
	},

	registerProtocol: function(name, methods) {
		const made = Protocol.extend(Object.assign({ getProtocol: () => name }, methods));
		this.protocols[name] = made;
		return made;
	},

	getIfnameOf: function(device) {
		return typeof(device) == 'string' ? device : device.getName();
	}
});
