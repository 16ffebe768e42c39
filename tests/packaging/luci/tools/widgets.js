/* SPDX-License-Identifier: MIT
 *
 * widgets.js - a stand-in for LuCI's tools/widgets.js: a choice of the networks in
 * /etc/config/network but `exclude`.
 */
'use strict';
'require baseclass';
'require form';
'require uci';

const NetworkSelect = form.ListValue.extend({
	load: function(id) {
		uci.sections('network', 'interface').filter((one) => one['.name'] != this.exclude)
			.forEach((one) => this.value(one['.name']));
		return form.ListValue.prototype.load.call(this, id);
	}
});

return baseclass.extend({ NetworkSelect: NetworkSelect });
