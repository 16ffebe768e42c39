/* SPDX-License-Identifier: MIT
 *
 * uci.js - a stand-in for LuCI's uci.js: sections are loaded once by ubus, changed here, and sent
 * back by save(). A value that is null or '' removes the option.
 */
'use strict';
'require baseclass';
'require rpc';

const calls = {
	get: rpc.declare({ object: 'uci', method: 'get', params: [ 'config' ], expect: { values: {} }, reject: true }),
	add: rpc.declare({ object: 'uci', method: 'add', params: [ 'config', 'type', 'name', 'values' ], reject: true }),
	set: rpc.declare({ object: 'uci', method: 'set', params: [ 'config', 'section', 'values' ], reject: true }),
	remove: rpc.declare({ object: 'uci', method: 'delete', params: [ 'config', 'section', 'options' ], reject: true }),
	apply: rpc.declare({ object: 'uci', method: 'apply', params: [ 'timeout', 'rollback' ], reject: true }),
	confirm: rpc.declare({ object: 'uci', method: 'confirm', reject: true })
};

return baseclass.extend({
	__init__: function() {
		this.values = {};
		this.tasks = [];
	},

	load: function(config) {
		return Promise.all([].concat(config).map((name) => this.values[name] ||
			calls.get(name).then((values) => { this.values[name] = values; })));
	},

	sections: function(config, type, call) {
		const found = Object.values(this.values[config] || {}).filter((one) => !type || one['.type'] == type);

		found.sort((a, b) => a['.index'] - b['.index']);
		found.forEach((one) => call && call(one, one['.name']));
		return found;
	},

	get: function(config, section, option) {
		const found = (this.values[config] || {})[section];
		return found && option != null ? found[option] : found;
	},

	add: function(config, type, name) {
		this.values[config][name] = { '.type': type, '.name': name, '.anonymous': false,
			'.index': Object.keys(this.values[config]).length };
		this.tasks.push(() => calls.add(config, type, name, {}));
		return name;
	},

	remove: function(config, section) {
		delete this.values[config][section];
		this.tasks.push(() => calls.remove(config, section));
	},

	set: function(config, section, option, value) {
		const had = this.values[config][section];

		if (value != null && value !== '') {
			had[option] = value;
			this.tasks.push(() => calls.set(config, section, { [option]: value }));
		}
		else if (option in had) {
			delete had[option];
			this.tasks.push(() => calls.remove(config, section, [ option ]));
		}
	},

	unset: function(config, section, option) {
		this.set(config, section, option, null);
	},

	save: function() {
		return this.tasks.splice(0).reduce((before, task) => before.then(task), Promise.resolve());
	},

	apply: function() {
		return calls.apply(10, true).then(() => calls.confirm());
	}
});
