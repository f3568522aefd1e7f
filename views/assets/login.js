// Adds to pages that work without it: shows the password on request, ticks off its rules, and lets one press of a button count once. Written
// for browsers of any age.
(function () {
  var reveal = document.getElementById('reveal');
  var password = document.getElementById('password');

  function setRevealed(revealed) {
    if ((password.type === 'text') === revealed) return;
    password.type = revealed ? 'text' : 'password';
    var label = reveal.getAttribute('data-other-label');
    var text = reveal.getAttribute('data-other-text');
    reveal.setAttribute('data-other-label', reveal.getAttribute('aria-label'));
    reveal.setAttribute('data-other-text', reveal.textContent);
    reveal.setAttribute('aria-label', label);
    reveal.textContent = text;
  }

  if (reveal && password) {
    reveal.hidden = false;
    reveal.addEventListener('click', function () {
      setRevealed(password.type === 'password');
    });
  }

  // Ticks off what a new password has to keep.
  var rules = document.querySelectorAll('[data-patterns]');

  function keeps(rule) {
    var patterns = JSON.parse(rule.getAttribute('data-patterns'));
    return (
      patterns.filter(function (pattern) {
        return new RegExp(pattern, 'su').test(password.value);
      }).length >= Number(rule.getAttribute('data-least'))
    );
  }

  function tick() {
    Array.prototype.forEach.call(rules, function (rule) {
      var kept = keeps(rule);
      var state = rule.querySelector('.sr');
      rule.className = kept ? 'kept' : '';
      state.textContent = kept ? state.getAttribute('data-kept') : '';
    });
  }

  if (password && rules.length > 0) {
    try {
      // Browsers that do not know such patterns leave it to the server.
      keeps(rules[0]);
      password.addEventListener('input', tick);
    } catch (_error) {}
  }

  function sendOnce(form) {
    var release;
    function open() {
      clearTimeout(release);
      release = undefined;
      form.removeAttribute('data-sent');
    }
    form.addEventListener('submit', function (event) {
      if (release) {
        event.preventDefault();
        return;
      }
      // Browsers remember what a text field held; a password must not be among it.
      if (reveal && password) setRevealed(false);
      form.setAttribute('data-sent', '');
      // A page whose post failed on the way must not stay locked.
      release = setTimeout(open, 8000);
    });
    // Coming back with the back button restores the page as it was left.
    window.addEventListener('pageshow', open);
  }

  Array.prototype.forEach.call(document.forms, sendOnce);
})();
