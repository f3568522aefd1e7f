// Adds to pages that work without it: shows the password on request, and lets one press of a button count once.
const reveal = document.getElementById('reveal');
const password = document.getElementById('password');

function setRevealed(revealed) {
  if ((password.type === 'text') === revealed) return;
  password.type = revealed ? 'text' : 'password';
  const { otherLabel, otherText } = reveal.dataset;
  reveal.dataset.otherLabel = reveal.getAttribute('aria-label');
  reveal.dataset.otherText = reveal.textContent;
  reveal.setAttribute('aria-label', otherLabel);
  reveal.textContent = otherText;
}

if (reveal && password) {
  reveal.hidden = false;
  reveal.addEventListener('click', () => setRevealed(password.type === 'password'));
}

for (const form of document.forms) {
  let release;
  const open = () => {
    clearTimeout(release);
    release = undefined;
    delete form.dataset.sent;
  };
  form.addEventListener('submit', (event) => {
    if (release) {
      event.preventDefault();
      return;
    }
    // Browsers remember what a text field held; a password must not be among it.
    if (reveal && password) setRevealed(false);
    form.dataset.sent = '';
    // A page whose post failed on the way must not stay locked.
    release = setTimeout(open, 8000);
  });
  // Coming back with the back button restores the page as it was left.
  addEventListener('pageshow', open);
}
