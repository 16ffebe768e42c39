/* SPDX-License-Identifier: MIT
 *
 * qr.js - text as a QR code (ISO/IEC 18004), for the invitation's token.
 *
 * Only what a token needs: bytes, error correction level L, versions 1 to 40; the version is the
 * smallest that holds the text, the mask the one with the least penalty. LuCI has an encoder of its
 * own (uqr.js) only since OpenWrt 24.10.
 */
'use strict';
'require baseclass';

/* Level L, by version: correction codewords of a block, and blocks. */
const correctionOf = [ 0, 7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28,
	28, 28, 28, 30, 30, 26, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30 ];
const blocksOf = [ 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8, 8, 9, 9, 10, 12, 12,
	12, 13, 14, 15, 16, 17, 18, 19, 19, 20, 21, 22, 24, 25 ];
const maxVersion = 40;

const masks = [
	(x, y) => (x + y) % 2 == 0,
	(x, y) => y % 2 == 0,
	(x, y) => x % 3 == 0,
	(x, y) => (x + y) % 3 == 0,
	(x, y) => (Math.floor(y / 2) + Math.floor(x / 3)) % 2 == 0,
	(x, y) => x * y % 2 + x * y % 3 == 0,
	(x, y) => (x * y % 2 + x * y % 3) % 2 == 0,
	(x, y) => ((x + y) % 2 + x * y % 3) % 2 == 0
];

/* --- bits and codewords --------------------------------------------------------------------- */

function alignmentsOf(version) {
	return version == 1 ? 0 : Math.floor(version / 7) + 2;
}

/* Codewords that fit, the corrections' included: all modules less those of the patterns. */
function codewordsOf(version) {
	const n = alignmentsOf(version);
	let modules = (16 * version + 128) * version + 64;

	if (version > 1)
		modules -= (25 * n - 10) * n - 55;
	if (version > 6)
		modules -= 36;
	return modules >> 3;
}

function dataOf(version) {
	return codewordsOf(version) - correctionOf[version] * blocksOf[version];
}

function lengthBits(version) {
	return version < 10 ? 8 : 16;
}

function chooseVersion(bytes) {
	for (let version = 1; version <= maxVersion; version++)
		if (4 + lengthBits(version) + 8 * bytes.length <= 8 * dataOf(version))
			return version;
	throw new RangeError('too long for a QR code');
}

/* Mode 4 (bytes), length, bytes, terminator, and pads to the end. */
function dataCodewords(bytes, version) {
	const bits = [], data = [];
	const put = (value, count) => {
		while (count-- > 0)
			bits.push(value >>> count & 1);
	};

	put(4, 4);
	put(bytes.length, lengthBits(version));
	bytes.forEach((byte) => put(byte, 8));
	put(0, Math.min(4, 8 * dataOf(version) - bits.length));
	while (bits.length % 8)
		bits.push(0);
	for (let i = 0; i < bits.length; i += 8)
		data.push(bits.slice(i, i + 8).reduce((byte, bit) => byte << 1 | bit, 0));
	for (let pad = 0xec; data.length < dataOf(version); pad ^= 0xec ^ 0x11)
		data.push(pad);
	return data;
}

/* --- Reed-Solomon over GF(256), polynomial 0x11d ---------------------------------------------- */

function multiply(a, b) {
	let product = 0;

	for (; b; b >>= 1) {
		if (b & 1)
			product ^= a;
		a = a << 1 ^ (a & 0x80 ? 0x11d : 0);
	}
	return product;
}

/* The product of (x - 2^i), its leading 1 left out. */
function generator(degree) {
	let polynomial = [ 1 ], root = 1;

	for (let i = 0; i < degree; i++, root = multiply(root, 2)) {
		const next = polynomial.concat(0);
		polynomial.forEach((c, at) => { next[at + 1] ^= multiply(c, root); });
		polynomial = next;
	}
	return polynomial.slice(1);
}

function correction(data, divisor) {
	const rest = divisor.map(() => 0);

	data.forEach((byte) => {
		const factor = byte ^ rest.shift();
		rest.push(0);
		divisor.forEach((c, i) => { rest[i] ^= multiply(c, factor); });
	});
	return rest;
}

/* Blocks of data, the shorter ones first, then their corrections; each interleaved. */
function allCodewords(data, version) {
	const count = blocksOf[version], divisor = generator(correctionOf[version]);
	const short = Math.floor(data.length / count), longer = data.length % count;
	const blocks = [], out = [];

	for (let i = 0, at = 0; i < count; i++) {
		const size = short + (i >= count - longer ? 1 : 0);
		blocks.push(data.slice(at, at + size));
		at += size;
	}
	for (let i = 0; i <= short; i++)
		blocks.forEach((block) => { if (i < block.length) out.push(block[i]); });
	const corrections = blocks.map((block) => correction(block, divisor));
	for (let i = 0; i < divisor.length; i++)
		corrections.forEach((block) => out.push(block[i]));
	return out;
}

/* --- the square ------------------------------------------------------------------------------- */

/* modules[y][x] is dark; fixed[y][x] belongs to a pattern and is not masked. */
function newSquare(version) {
	const size = 17 + 4 * version;
	const rows = (value) => Array.from({ length: size }, () => new Array(size).fill(value));

	return { version: version, size: size, modules: rows(false), fixed: rows(false) };
}

function set(square, x, y, dark) {
	if (x < 0 || y < 0 || x >= square.size || y >= square.size)
		return;
	square.modules[y][x] = !!dark;
	square.fixed[y][x] = true;
}

/* Rings around a centre: a finder has the light ones at 2 and 4, an alignment at 1. */
function drawRings(square, cx, cy, radius, light) {
	for (let dy = -radius; dy <= radius; dy++)
		for (let dx = -radius; dx <= radius; dx++)
			set(square, cx + dx, cy + dy,
			    light.indexOf(Math.max(Math.abs(dx), Math.abs(dy))) < 0);
}

function alignmentCentres(square) {
	const n = alignmentsOf(square.version), centres = [];
	const step = square.version == 32 ? 26 : Math.ceil((square.size - 13) / (2 * n - 2)) * 2;

	for (let i = 0, at = square.size - 7; i < n - 1; i++, at -= step)
		centres.unshift(at);
	return n ? [ 6 ].concat(centres) : [];
}

function drawPatterns(square) {
	const last = square.size - 1, centres = alignmentCentres(square);

	for (let i = 0; i < square.size; i++) {
		set(square, 6, i, i % 2 == 0);
		set(square, i, 6, i % 2 == 0);
	}
	[ [ 3, 3 ], [ last - 3, 3 ], [ 3, last - 3 ] ].forEach((c) =>
		drawRings(square, c[0], c[1], 4, [ 2, 4 ]));
	centres.forEach((x) => centres.forEach((y) => {
		const inFinder = (x == 6 && (y == 6 || y == last - 6)) || (y == 6 && x == last - 6);
		if (!inFinder)
			drawRings(square, x, y, 2, [ 1 ]);
	}));
}

/* value, and below it the remainder of its division by polynomial, in bits. */
function withRemainder(value, polynomial, bits) {
	let rest = value;

	for (let i = 0; i < bits; i++)
		rest = rest << 1 ^ (rest >> bits - 1 & 1) * polynomial;
	return value << bits | rest;
}

/* Level L is 01. */
function drawFormat(square, mask) {
	const bits = withRemainder(1 << 3 | mask, 0x537, 10) ^ 0x5412, last = square.size - 1;

	for (let i = 0; i < 15; i++) {
		const dark = bits >> i & 1;
		set(square, 8, i < 6 ? i : i < 8 ? i + 1 : last - 14 + i, dark);
		set(square, i < 8 ? last - i : i < 9 ? 7 : 14 - i, 8, dark);
	}
	set(square, 8, last - 7, true);
}

function drawVersion(square) {
	const bits = withRemainder(square.version, 0x1f25, 12);

	for (let i = 0; square.version > 6 && i < 18; i++) {
		const near = Math.floor(i / 3), far = square.size - 11 + i % 3;
		set(square, far, near, bits >> i & 1);
		set(square, near, far, bits >> i & 1);
	}
}

/* Two columns at a time from the right, up and down by turns; column 6 is the timing's. */
function drawCodewords(square, codewords) {
	let bit = 0;

	for (let right = square.size - 1, up = true; right > 0; right -= 2, up = !up) {
		if (right == 6)
			right = 5;
		for (let i = 0; i < square.size; i++) {
			const y = up ? square.size - 1 - i : i;
			for (let x = right; x > right - 2; x--)
				if (!square.fixed[y][x] && bit < 8 * codewords.length) {
					square.modules[y][x] = !!(codewords[bit >> 3] >> 7 - bit % 8 & 1);
					bit++;
				}
		}
	}
}

function toggleMask(square, mask) {
	for (let y = 0; y < square.size; y++)
		for (let x = 0; x < square.size; x++)
			if (!square.fixed[y][x] && masks[mask](x, y))
				square.modules[y][x] = !square.modules[y][x];
}

/* --- which mask ------------------------------------------------------------------------------- */

/* Runs of one colour, and what looks like a finder. */
function linePenalty(line) {
	let penalty = 0, run = 0;

	for (let i = 0; i < line.length; i++) {
		run = i && line[i] == line[i - 1] ? run + 1 : 1;
		penalty += run == 5 ? 3 : run > 5 ? 1 : 0;
	}
	const text = line.map((dark) => dark ? '1' : '0').join('');
	[ '10111010000', '00001011101' ].forEach((like) => {
		for (let at = text.indexOf(like); at >= 0; at = text.indexOf(like, at + 1))
			penalty += 40;
	});
	return penalty;
}

function penaltyOf(square) {
	const rows = square.modules, size = square.size;
	let penalty = 0, dark = 0;

	for (let i = 0; i < size; i++)
		penalty += linePenalty(rows[i]) + linePenalty(rows.map((row) => row[i]));
	for (let y = 0; y < size; y++)
		for (let x = 0; x < size; x++) {
			dark += rows[y][x] ? 1 : 0;
			if (x && y && rows[y][x] == rows[y][x - 1] && rows[y][x] == rows[y - 1][x] &&
			    rows[y][x] == rows[y - 1][x - 1])
				penalty += 3;
		}
	return penalty + 10 * Math.floor(Math.abs(dark * 20 / (size * size) - 10));
}

function chooseMask(square) {
	let best = 0, least = Infinity;

	masks.forEach((unused, mask) => {
		drawFormat(square, mask);
		toggleMask(square, mask);
		const penalty = penaltyOf(square);
		toggleMask(square, mask);
		if (penalty < least) {
			best = mask;
			least = penalty;
		}
	});
	return best;
}

return baseclass.extend({
	/**
	 * The modules of the code, rows of booleans, true for dark.
	 *
	 * @param {string} text  at most 2953 bytes in UTF-8; more throws a RangeError
	 */
	encode: function(text) {
		const bytes = Array.from(new TextEncoder().encode(text));
		const square = newSquare(chooseVersion(bytes));

		drawPatterns(square);
		drawFormat(square, 0);
		drawVersion(square);
		drawCodewords(square, allCodewords(dataCodewords(bytes, square.version), square.version));
		const mask = chooseMask(square);
		drawFormat(square, mask);
		toggleMask(square, mask);
		return square.modules;
	},

	/** The code as an SVG element with its quiet zone, black on white whatever the theme. */
	svg: function(text) {
		const ns = 'http://www.w3.org/2000/svg', rows = this.encode(text), size = rows.length + 8;
		const make = (name, attributes) => {
			const node = document.createElementNS(ns, name);
			Object.keys(attributes).forEach((a) => node.setAttribute(a, attributes[a]));
			return node;
		};
		const svg = make('svg', { 'viewBox': '0 0 ' + size + ' ' + size, 'role': 'img',
			'shape-rendering': 'crispEdges', 'class': 'lansplice-qr' });
		let dark = '';

		rows.forEach((row, y) => row.forEach((module, x) => {
			if (module)
				dark += 'M' + (x + 4) + ',' + (y + 4) + 'h1v1h-1z';
		}));
		svg.appendChild(make('rect', { 'width': size, 'height': size, 'fill': '#fff' }));
		svg.appendChild(make('path', { 'd': dark, 'fill': '#000' }));
		return svg;
	}
});
