/* SPDX-License-Identifier: MIT
 *
 * luci.js - a stand-in for what lansplice's views use of LuCI's runtime, which Debian does not
 * package. Written from the behaviour of LuCI's own files, below
 * modules/luci-base/htdocs/luci-static/resources/:
 *
 *   cbi.js   _() and String.format
 *   luci.js  E(), dom, poll, view, baseclass; L.require: 'require x as y' at the head of a file,
 *            which becomes the body of a function (window, document, L, y...) that returns a class
 *   rpc.js   declare(): positional arguments get names; reject makes a ubus status an Error
 *
 * As there, text that is not in an array becomes HTML, so that a view which forgets the array shows
 * it here.
 */
'use strict';

const L = { env: window.LUCI_ENV, classes: {} };

/* --- cbi.js ---------------------------------------------------------------------------------- */

window._ = (text) => L.env.translations[text] || text;

function formatAmount(value, unit, decimals) {
	const prefixes = [ ' ', ' K', ' M', ' G', ' T', ' P', ' E' ];
	let i = 0;

	for (; i < prefixes.length && value > unit; i++)
		value /= unit;
	return i ? value.toFixed(decimals) + prefixes[i] + (unit == 1024 ? 'i' : '') : value + ' ';
}

function formatSeconds(value) {
	const [ d, h, m, s ] = [ Math.floor(value / 86400), Math.floor(value / 3600) % 24,
		Math.floor(value / 60) % 60, Math.floor(value) % 60 ];

	return d ? `${d}d ${h}h ${m}m ${s}s` : h ? `${h}h ${m}m ${s}s` : `${m}m ${s}s`;
}

String.prototype.format = function() {
	let next = 0;

	return this.replace(/%(\d+)?(?:\.(\d+))?([%dfsmt])/g, (all, width, decimals, kind) => {
		const value = kind == '%' ? '%' : arguments[next++];
		switch (kind) {
		case 'd': return Math.trunc(+value) || 0;
		case 'f': return decimals == null ? +value : (+value).toFixed(decimals);
		case 'm': return formatAmount(+value || 0, +width || 1000, decimals == null ? 2 : +decimals);
		case 't': return formatSeconds(+value || 0);
		default:  return value;
		}
	});
};

/* --- luci.js: dom ---------------------------------------------------------------------------- */

const isNode = (x) => x != null && typeof(x) == 'object' && 'nodeType' in x;

const dom = {
	append: (node, children) => {
		if (Array.isArray(children))
			children.forEach((child) => {
				if (isNode(child))
					node.appendChild(child);
				else if (child != null)
					node.appendChild(document.createTextNode('' + child));
			});
		else if (isNode(children))
			node.appendChild(children);
		else if (children != null)
			node.innerHTML = '' + children;
		return node;
	},

	content: (node, children) => {
		while (node.firstChild)
			node.removeChild(node.firstChild);
		return dom.append(node, children);
	},

	attr: (node, attributes) => {
		for (const name in attributes)
			if (typeof(attributes[name]) == 'function')
				node.addEventListener(name, attributes[name]);
			else if (attributes[name] != null)
				node.setAttribute(name, attributes[name]);
		return node;
	}
};

window.E = (tag, attributes, children) => {
	if (Array.isArray(tag))
		return dom.append(document.createDocumentFragment(), tag);
	if (Array.isArray(attributes) || !(attributes instanceof Object))
		[ attributes, children ] = [ {}, attributes ];
	return dom.append(dom.attr(document.createElement(tag), attributes || {}), children);
};

/* --- luci.js: classes ------------------------------------------------------------------------ */

class BaseClass {
	constructor() {
		if (this.__init__)
			this.__init__.apply(this, arguments);
	}

	static extend(properties) {
		const derived = class extends this {};

		Object.assign(derived.prototype, properties);
		return derived;
	}
}

class View extends BaseClass {
	__init__() {
		const place = document.getElementById('view');

		this.shown = Promise.resolve(this.load()).then((data) => this.render(data))
			.then((nodes) => dom.append(dom.content(place, nodes), [ this.addFooter() ]))
			.catch((error) => { L.error(error); });
	}

	load() {}
	render() {}

	save() {
		return Promise.all(L.maps.map((map) => map.save()));
	}

	addFooter() {
		if (this.handleSave === null && this.handleSaveApply === null)
			return E([]);
		return E('div', { 'class': 'cbi-page-actions' }, [
			E('button', { 'class': 'cbi-button cbi-button-apply', 'click': () =>
				this.save().then(() => L.classes.uci.apply()).then(() => { L.saved = true; }, L.error)
			}, [ _('Save & Apply') ])
		]);
	}
}

/* --- luci.js: poll --------------------------------------------------------------------------- */

const poll = {
	queue: [],
	ticks: 0,
	add: (call, seconds) => {
		poll.queue.push({ call: call, seconds: seconds, ready: true });
		poll.start();
	},
	step: () => {
		poll.queue.filter((one) => one.ready && poll.ticks % one.seconds == 0).forEach((one) => {
			one.ready = false;
			one.call().finally(() => { one.ready = true; });
		});
		poll.ticks++;
	},
	start: () => {
		if (poll.timer)
			return;
		poll.timer = setInterval(poll.step, 1000);
		setTimeout(poll.step, 0);
	}
};

/* --- rpc.js ---------------------------------------------------------------------------------- */

const statusTexts = [ 'Command OK', 'Invalid command', 'Invalid argument', 'Method not found',
	'Resource not found', 'No data received', 'Permission denied', 'Request timeout' ];
let requestId = 1;

const rpc = {
	declare: (options) => function() {
		const named = {};

		(options.params || []).forEach((name, i) => { named[name] = arguments[i]; });
		return fetch(L.env.ubus, { method: 'POST', body: JSON.stringify({ jsonrpc: '2.0',
			id: requestId++, method: 'call',
			params: [ L.env.sessionid, options.object, options.method, named ] }) })
			.then((reply) => reply.json()).then((message) => {
				if (message.error)
					throw new Error('RPC call to %s/%s failed with error %d: %s'.format(
						options.object, options.method, message.error.code, message.error.message));
				const status = message.result[0];
				if (options.reject && status !== 0)
					throw new Error('RPC call to %s/%s failed with ubus code %d: %s'.format(
						options.object, options.method, status, statusTexts[status]));
				let answer = message.result.length > 1 ? message.result[1] : status;
				for (const key in options.expect || {})
					answer = answer && key ? answer[key] : answer;
				return answer;
			});
	}
};

/* --- luci.js: L ------------------------------------------------------------------------------ */

function directives(source) {
	const found = [], literal = /\/\*[^]*?\*\/|\/\/[^\n]*|'([^'\n]*)'|"([^"\n]*)"/g;

	for (let match; (match = literal.exec(source)); ) {
		const text = match[1] || match[2];
		const parts = /^require[ \t]+(\S+)(?:[ \t]+as[ \t]+([a-zA-Z_]\S*))?$/.exec(text || '');
		if (parts)
			found.push([ parts[1], parts[2] || parts[1].replace(/[^a-zA-Z0-9_]/g, '_') ]);
		else if (text != null && text != 'use strict')
			break;
	}
	return found;
}

Object.assign(L, {
	maps: [],
	problems: [],
	resource: (path) => L.env.resources + '/' + path,
	hasViewPermission: () => L.env.writable,
	isObject: (x) => x != null && typeof(x) == 'object',

	error: (error) => {
		L.problems.push(error);
		console.error(error);
	},

	require: (name) => {
		if (!L.classes[name])
			L.classes[name] = L.load(name);
		return Promise.resolve(L.classes[name]);
	},

	load: async (name) => {
		const url = L.resource(name.replace(/\./g, '/') + '.js'), reply = await fetch(url);
		if (!reply.ok)
			throw new Error('HTTP error %d while loading %s'.format(reply.status, url));
		const source = await reply.text(), wanted = directives(source), instances = [];
		for (const [ dependency ] of wanted)
			instances.push(await L.require(dependency));
		const names = [ 'window', 'document', 'L' ].concat(wanted.map((one) => one[1]));
		const factory = (0, eval)('(function(' + names.join(', ') + ') {' + source +
			'\n})\n//# sourceURL=' + url);
		const made = factory.apply(factory, [ window, document, L ].concat(instances));
		if (!(made && (made === BaseClass || made.prototype instanceof BaseClass)))
			throw new TypeError('"%s" factory yields invalid constructor'.format(name));
		return L.classes[name] = new made();
	}
});

Object.assign(L.classes, { baseclass: BaseClass, view: View, dom: dom, poll: poll, rpc: rpc });
window.L = L;
