// Does the work that a form asks for before it is sent: looks for what makes a SHA-256 (FIPS 180-4) begin with so many zeros. A slice at a
// time, so that people can type meanwhile. Without crypto.subtle, which is slower for short texts and absent without TLS. Written for
// browsers of any age.
(function () {
  var SLICE_MS = 24;
  var field = document.getElementById('challenge');
  var status = document.getElementById('challenge-status');
  var challenge = field ? field.getAttribute('data-challenge') : '';
  var difficulty = field ? Number(field.getAttribute('data-difficulty')) : 0;
  var tried = 0;
  var waiting = false;
  var K = [];
  var START = [];
  var words = [];

  function isPrime(n) {
    var d;
    for (d = 2; d * d <= n; d++) if (n % d === 0) return false;
    return true;
  }

  function fraction(root) {
    return ((root % 1) * 4294967296) | 0;
  }

  // Of the roots of the first primes, the first bits behind the point.
  function prepare() {
    var n;
    for (n = 2; K.length < 64; n++) {
      if (isPrime(n)) {
        if (START.length < 8) START.push(fraction(Math.sqrt(n)));
        K.push(fraction(Math.exp(Math.log(n) / 3)));
      }
    }
  }

  function rotated(x, by) {
    return (x >>> by) | (x << (32 - by));
  }

  function spread(text, block, blocks) {
    var i;
    var j;
    var at;
    var x;
    var y;
    for (i = 0; i < 16; i++) {
      words[i] = 0;
      for (j = 0; j < 4; j++) {
        at = block * 64 + i * 4 + j;
        words[i] = (words[i] << 8) | (at < text.length ? text.charCodeAt(at) : at === text.length ? 128 : 0);
      }
    }
    if (block === blocks - 1) words[15] = text.length * 8;
    for (i = 16; i < 64; i++) {
      x = words[i - 15];
      y = words[i - 2];
      x = rotated(x, 7) ^ rotated(x, 18) ^ (x >>> 3);
      y = rotated(y, 17) ^ rotated(y, 19) ^ (y >>> 10);
      words[i] = (words[i - 16] + x + words[i - 7] + y) | 0;
    }
  }

  // One block's rounds.
  function mixed(h) {
    var s = h;
    var r;
    for (r = 0; r < 64; r++) s = turned(s, K[r] + words[r]);
    return h.map(function (word, k) {
      return (word + s[k]) | 0;
    });
  }

  function turned(s, added) {
    var sum1 = rotated(s[4], 6) ^ rotated(s[4], 11) ^ rotated(s[4], 25);
    var sum0 = rotated(s[0], 2) ^ rotated(s[0], 13) ^ rotated(s[0], 22);
    var choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
    var majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
    var one = (s[7] + sum1 + choice + added) | 0;
    return [(one + sum0 + majority) | 0, s[0], s[1], s[2], (s[3] + one) | 0, s[4], s[5], s[6]];
  }

  // The first word of the hash of an ASCII text.
  function firstWord(text) {
    var blocks = ((text.length + 8) >> 6) + 1;
    var h = START;
    var block;
    for (block = 0; block < blocks; block++) {
      spread(text, block, blocks);
      h = mixed(h);
    }
    return h[0];
  }

  function isFound(text) {
    return firstWord(text) >>> (32 - difficulty) === 0;
  }

  function work() {
    var end = Date.now() + SLICE_MS;
    var text;
    do {
      text = [challenge, tried++].join(':');
      if (isFound(text)) {
        field.value = text;
        if (waiting) field.form.submit();
        return;
      }
    } while (tried % 200 || Date.now() < end);
    setTimeout(work, 0);
  }

  // Which button was pressed goes along, as it would have.
  function keepButton(pressed) {
    var kept = document.createElement('input');
    if (pressed.type !== 'submit' || !pressed.name) return;
    kept.type = 'hidden';
    kept.name = pressed.name;
    kept.value = pressed.value;
    field.form.appendChild(kept);
  }

  if (field) {
    prepare();
    work();
    field.form.addEventListener('submit', function (event) {
      if (field.value) return;
      event.preventDefault();
      if (!waiting) keepButton(event.submitter || document.activeElement || field);
      waiting = true;
      status.textContent = status.getAttribute('data-working');
      status.hidden = false;
    });
  }
})();
