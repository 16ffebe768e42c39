/* SPDX-License-Identifier: MIT
 *
 * lansplice.js - the form of an interface with `option proto lansplice` in /etc/config/network.
 *
 * The interface names a site of /etc/config/lansplice, and that site's TAP is its device. The rest
 * is set there. Options and error codes are those of /lib/netifd/proto/lansplice.sh.
 */
'use strict';
'require form';
'require network';
'require uci';
'require tools.widgets as widgets';

function tapOf(site) {
	return (site && uci.get('lansplice', site, 'tap')) || 'lansplice0';
}

function addNetwork(s, tab, name, title, help) {
	const o = s.taboption(tab, widgets.NetworkSelect, name, title, help);

	o.exclude = s.section;
	o.nocreate = true;
	o.optional = true;
}

network.registerPatternVirtual(/^lansplice[0-9]+$/);
network.registerErrorCode('MISSING_SITE', _('No site is chosen'));
network.registerErrorCode('INVALID_CONFIG', _('The settings of the site are wrong: see the system log'));
network.registerErrorCode('SITE_TAKEN', _('Another interface has this site already'));

return network.registerProtocol('lansplice', {
	getI18n: function() {
		return _('lansplice (other homes\' LANs)');
	},

	getIfname: function() {
		return this._ubus('l3_device') || tapOf(this._get('site'));
	},

	getPackageName: function() {
		return 'lansplice';
	},

	isFloating: function() {
		return true;
	},

	isVirtual: function() {
		return true;
	},

	getDevices: function() {
		return null;
	},

	containsDevice: function(ifname) {
		return network.getIfnameOf(ifname) == this.getIfname();
	},

	renderFormOptions: function(s) {
		const site = s.taboption('general', form.ListValue, 'site', _('Site'),
			_('A site of Network > lansplice. While an interface has it, the interface starts and stops it.'));
		site.rmempty = false;
		site.load = function(section) {
			this.keylist = [];
			this.vallist = [];
			return uci.load('lansplice').then(() => {
				uci.sections('lansplice', 'site').forEach((one) => this.value(one['.name']));
				return form.ListValue.prototype.load.call(this, section);
			});
		};

		addNetwork(s, 'general', 'network', _('Network interface'),
			_('The network whose bridge the tunnel joins: usually lan. May be left empty where the site names a bridge.'));
		addNetwork(s, 'advanced', 'tunlink', _('Bind interface'),
			_('If given, the tunnel is up only while this interface is.'));
	}
});
