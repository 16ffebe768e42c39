/* SPDX-License-Identifier: MIT
 *
 * form.js - a stand-in for LuCI's form.js: a map of named sections with tabs and options, drawn as
 * plain inputs.
 *
 * As there: an option's load() gives its value, and its default is shown where there is none; on
 * saving, what is empty is removed, and so is a flag's default (rmempty); a datatype or validate()
 * that says no stops the saving. Of the datatypes, maxlength is known.
 */
'use strict';
'require baseclass';
'require dom';
'require uci';

const datatypes = {
	maxlength: (value, most) => value.length <= +most
};

function isOfType(datatype, value) {
	const parts = /^(\w+)(?:\((.*)\))?$/.exec(datatype);
	if (!datatypes[parts[1]])
		throw new Error('datatype not known to the stand-in: ' + datatype);
	return datatypes[parts[1]](value, parts[2]);
}

const Value = baseclass.extend({
	rmempty: true,
	optional: false,

	__init__: function(section, tab, name, title, help) {
		Object.assign(this, { section: section, tab: tab, option: name, title: title, help: help });
	},

	load: function(id) {
		return uci.get(this.section.map.config, id, this.option);
	},

	input: function(value) {
		return E('input', { 'type': 'text', 'class': 'cbi-input-text', 'value': value,
			'placeholder': this.placeholder });
	},

	formvalue: function(node) {
		return node.value;
	},

	check: function(id, value) {
		const all = [].concat(value == null ? '' : value);

		if (all.join('') == '')
			return this.optional || this.rmempty || 'Non-empty value';
		for (const one of all) {
			const right = this.validate ? this.validate(id, one) : true;
			if (right !== true)
				return right;
			if (this.datatype && !isOfType(this.datatype, one))
				return 'Expecting: ' + this.datatype;
		}
		return true;
	},

	draw: async function(id) {
		const node = this.input(await this.load(id) ?? this.default);

		node.setAttribute('data-option', this.option);
		this.section.fields.push([ this, id, node ]);
		return E('div', { 'class': 'cbi-value', 'data-tab': this.tab }, [
			E('label', { 'class': 'cbi-value-title' }, [ this.title ]),
			E('div', { 'class': 'cbi-value-field' }, [ node,
				E('div', { 'class': 'cbi-value-description' }, [ this.help || '' ]) ])
		]);
	},

	isLeftOut: function(value) {
		return value.length == 0;
	},

	write: function(id, value) {
		const kept = this.isLeftOut(value) ? null : value;

		const had = uci.get(this.section.map.config, id, this.option);
		if ((kept ?? []).toString() != (had ?? []).toString())
			uci.set(this.section.map.config, id, this.option, kept);
	}
});

const ListValue = Value.extend({
	value: function(key, text) {
		this.keylist = (this.keylist || []).concat(key);
		this.vallist = (this.vallist || []).concat(text || key);
	},

	input: function(value) {
		const keys = this.keylist || [], texts = this.vallist || [];
		const option = (key, text) => E('option', { 'value': key,
			'selected': key == value ? '' : null }, [ text ]);
		const none = (this.optional || this.rmempty) && keys.indexOf('') < 0 ?
			[ option('', '-- ' + _('Please choose') + ' --') ] : [];
		return E('select', { 'class': 'cbi-input-select' },
			none.concat(keys.map((key, i) => option(key, texts[i]))));
	}
});

const Flag = Value.extend({
	enabled: '1',
	disabled: '0',
	default: '0',

	input: function(value) {
		return E('input', { 'type': 'checkbox', 'checked': value == this.enabled ? '' : null });
	},

	formvalue: function(node) {
		return node.checked ? this.enabled : this.disabled;
	},

	isLeftOut: function(value) {
		return this.rmempty && value == this.default;
	}
});

const DynamicList = Value.extend({
	input: function(value) {
		return E('textarea', { 'class': 'cbi-input-textarea', 'rows': 2 },
			[ [].concat(value || []).join('\n') ]);
	},

	formvalue: function(node) {
		return node.value.split('\n').filter((line) => line != '');
	}
});

const TypedSection = baseclass.extend({
	__init__: function(map, type, title, help) {
		Object.assign(this, { map: map, type: type, title: title, help: help, tabs: [], options: [],
			fields: [] });
	},

	tab: function(name, title) {
		this.tabs.push([ name, title ]);
	},

	taboption: function(tab, kind, name, title, help) {
		this.options.push(new kind(this, tab, name, title, help));
		return this.options[this.options.length - 1];
	},

	option: function(kind, name, title, help) {
		return this.taboption(null, kind, name, title, help);
	},

	drawOne: async function(id) {
		const drawn = await Promise.all(this.options.map((option) => option.draw(id)));
		const tabs = this.tabs.length ? this.tabs : [ [ null, '' ] ];

		return E('div', { 'class': 'cbi-section-node', 'data-section': id }, [
			E('h4', [ id ])
		].concat(tabs.map((tab) => E('div', {}, [ E('h5', [ tab[1] ]) ].concat(
			drawn.filter((unused, i) => this.options[i].tab == tab[0]))))));
	},

	draw: async function() {
		const ids = uci.sections(this.map.config, this.type).map((one) => one['.name']);

		return E('div', { 'class': 'cbi-section' }, [
			E('h3', [ this.title ]), E('div', { 'class': 'cbi-section-descr' }, [ this.help ])
		].concat(await Promise.all(ids.map((id) => this.drawOne(id)))));
	}
});

const Map = baseclass.extend({
	__init__: function(config, title, help) {
		Object.assign(this, { config: config, title: title, help: help, parts: [] });
		L.maps.push(this);
	},

	section: function(kind, type, title, help) {
		this.parts.push(new kind(this, type, title, help));
		return this.parts[this.parts.length - 1];
	},

	render: async function() {
		await uci.load(this.config);
		return E('div', { 'class': 'cbi-map' }, [
			E('h2', [ this.title ]), E('div', { 'class': 'cbi-map-descr' }, [ this.help ])
		].concat(await Promise.all(this.parts.map((part) => part.draw()))));
	},

	save: function() {
		const fields = [].concat.apply([], this.parts.map((part) => part.fields));

		for (const [ option, id, node ] of fields) {
			const right = option.check(id, option.formvalue(node));
			node.classList.toggle('cbi-input-invalid', right !== true);
			if (right !== true)
				return Promise.reject(new TypeError(id + '.' + option.option + ': ' + right));
		}
		fields.forEach(([ option, id, node ]) => option.write(id, option.formvalue(node)));
		return uci.save();
	}
});

return baseclass.extend({ Map: Map, TypedSection: TypedSection, Value: Value, ListValue: ListValue,
	Flag: Flag, DynamicList: DynamicList });
