// The reference page with hands: copy, filter, follow the reading, and call the API. The token lives in a variable and
// in the field that it was pasted into, nowhere else.
const element = (id) => document.getElementById(id);
const make = (tag, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};

const keeper = document.querySelector('.keeper');
const tokenField = element('access-token');
const tokenState = keeper.querySelector('.state');

/* Copy */

function copyButton(read, what) {
  const button = make('button', { type: 'button', className: 'copy', textContent: 'Copy', ariaLabel: `Copy ${what}` });
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(read());
    button.textContent = 'Copied';
    setTimeout(() => {
      button.textContent = 'Copy';
    }, 1500);
  });
  return button;
}

for (const code of document.querySelectorAll('.copies'))
  code.after(copyButton(() => code.textContent, code.textContent));
for (const sample of document.querySelectorAll('.sample')) {
  const caption = sample.querySelector('figcaption');
  const title = caption.textContent;
  caption.append(copyButton(() => sample.querySelector('pre').textContent, title.toLowerCase()));
}

/* The way around */

const contents = document.querySelector('.contents');
const links = [...contents.querySelectorAll('a')];
const filter = element('filter');
const none = contents.querySelector('.none');
filter.parentElement.hidden = false;
filter.addEventListener('input', () => {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const entry of contents.querySelectorAll('.entry')) {
    const group = entry.querySelector('p').textContent;
    const items = [...entry.querySelectorAll('li')];
    for (const item of items) {
      const operation = element(item.firstElementChild.hash.slice(1)).dataset;
      const text = `${group} ${item.textContent} ${operation.method} ${operation.path}`.toLowerCase();
      item.hidden = !words.every((word) => text.includes(word));
    }
    const left = items.filter((item) => !item.hidden).length;
    shown += left;
    entry.hidden = left === 0;
  }
  contents.querySelector('.starts').hidden = words.length > 0;
  none.textContent = shown ? '' : 'No operation matches.';
});
filter.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') {
    filter.value = '';
    filter.dispatchEvent(new Event('input'));
  }
  if (event.key === 'Enter') contents.querySelector('.entry:not([hidden]) li:not([hidden]) a')?.click();
});
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.target.closest('input, textarea')) return;
  event.preventDefault();
  contents.open = true;
  filter.focus();
});

const narrow = matchMedia('(max-width: 60rem)');
const unfold = () => {
  contents.open = !narrow.matches;
};
unfold();
narrow.addEventListener('change', unfold);
contents.addEventListener('click', ({ target }) => {
  if (narrow.matches && target.closest('a')) contents.open = false;
});

const side = document.querySelector('.side');
const watched = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      const link = links.find(({ hash }) => hash === `#${target.id}`);
      if (!link || !isIntersecting) continue;
      for (const other of links) other.removeAttribute('aria-current');
      link.setAttribute('aria-current', 'true');
      if (narrow.matches) continue;
      const { top, bottom } = link.getBoundingClientRect();
      if (top < 80 || bottom > innerHeight - 40) side.scrollTo({ top: link.offsetTop - innerHeight / 3 });
    }
  },
  { rootMargin: '-20% 0px -75% 0px' },
);
for (const part of document.querySelectorAll('.intro, .operation')) watched.observe(part);

/* The token */

function tell(node, text, bad = false) {
  node.textContent = text;
  node.classList.toggle('bad', bad);
}

async function read(response) {
  const text = await response.text();
  try {
    return { text: JSON.stringify(JSON.parse(text), null, 2), json: JSON.parse(text) };
  } catch {
    return { text, json: {} };
  }
}

keeper.hidden = false;
keeper.addEventListener('submit', async (event) => {
  event.preventDefault();
  tell(tokenState, 'Asking…');
  try {
    const response = await fetch('/oauth/token', {
      method: 'POST',
      credentials: 'omit',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: element('client-id').value.trim(),
        client_secret: element('client-secret').value,
        audience: document.body.dataset.audience,
      }),
    });
    const { json } = await read(response);
    if (!response.ok) {
      tell(tokenState, json.error_description ?? json.error ?? `HTTP ${response.status}`, true);
      return;
    }
    tokenField.value = json.access_token;
    element('client-secret').value = '';
    const count = (json.scope ?? '').split(' ').filter(Boolean).length;
    tell(tokenState, `Got a token with ${count} permissions, good for ${Math.round(json.expires_in / 60)} minutes.`);
  } catch {
    tell(tokenState, 'The server did not answer.', true);
  }
});
tokenField.addEventListener('input', () => tell(tokenState, tokenField.value ? 'This token is used from now on.' : ''));

/* The calls */

function trial(operation) {
  const { method, path, type } = operation.dataset;
  const isForm = type === 'application/x-www-form-urlencoded';
  const id = operation.id;
  const inputs = [...operation.querySelectorAll('table[data-place]')].flatMap((table) =>
    [...table.querySelectorAll('tr[data-name]')].map((row) => ({ place: table.dataset.place, name: row.dataset.name })),
  );
  const form = make('form', { className: 'trial', noValidate: true });
  form.setAttribute('aria-label', `Try it: ${operation.querySelector('h3').textContent}`);
  const fields = inputs.map(({ place, name }) => {
    const input = make('input', {
      id: `${id}.${name}`,
      name,
      autocomplete: 'off',
      spellcheck: false,
      autocapitalize: 'none',
      required: place === 'path',
    });
    return { place, name, input };
  });
  if (fields.length)
    form.append(
      make(
        'div',
        { className: 'pair' },
        ...fields.map(({ place, name, input }) =>
          make(
            'p',
            { className: 'input' },
            make('label', { htmlFor: input.id }, name, ' ', make('small', { textContent: place })),
            input,
          ),
        ),
      ),
    );
  const example = operation.querySelector('[data-body]');
  const body = example && make('textarea', { id: `${id}.body`, spellcheck: false, autocapitalize: 'none' });
  if (body) {
    // As the shell would have unquoted it; a form's fields one to a line.
    body.value = isForm
      ? [...example.textContent.matchAll(/-d '([^']*)'/g)].map(([, pair]) => pair).join('\n')
      : example.textContent.replaceAll("'\\''", "'");
    body.rows = Math.min(18, body.value.split('\n').length + 1);
    form.append(
      make('p', { className: 'input' }, make('label', { htmlFor: body.id, textContent: 'Request body' }), body),
    );
  }
  const state = make('p', { className: 'state' });
  state.setAttribute('role', 'status');
  const send = make('button', { type: 'submit', className: 'button primary small', textContent: `Send ${method}` });
  const bar = make('div', { className: 'bar' }, send, state);
  if (operation.hasAttribute('data-bearer') && !tokenField.value)
    bar.append(make('a', { href: '#token', className: 'help', textContent: 'Give this page a token first' }));
  const caption = make('span', { className: 'answered' });
  const shown = make('code');
  const pre = make('pre', { tabIndex: 0 }, shown);
  const figure = make(
    'figure',
    { className: 'sample', hidden: true },
    make(
      'figcaption',
      {},
      caption,
      copyButton(() => shown.textContent, 'the answer'),
    ),
    pre,
  );
  form.append(bar, figure);

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const empty = fields.find(({ input }) => input.required && !input.value.trim());
    if (empty) {
      tell(state, `${empty.name} is needed.`, true);
      empty.input.focus();
      return;
    }
    bar.querySelector('a')?.toggleAttribute('hidden', Boolean(tokenField.value));
    const query = new URLSearchParams();
    let address = path;
    for (const { place, name, input } of fields) {
      if (place === 'path') address = address.replace(`{${name}}`, encodeURIComponent(input.value.trim()));
      else if (place === 'query' && input.value !== '') query.append(name, input.value);
    }
    const token = tokenField.value.trim();
    send.disabled = true;
    tell(state, 'Sending…');
    const started = performance.now();
    try {
      const response = await fetch(query.size ? `${address}?${query}` : address, {
        method,
        credentials: 'omit',
        redirect: 'manual',
        cache: 'no-store',
        headers: {
          accept: 'application/json',
          ...(operation.hasAttribute('data-bearer') && token && { authorization: `Bearer ${token}` }),
          ...(body && { 'content-type': type }),
        },
        ...(body && {
          body: isForm
            ? body.value
                .trim()
                .split(/\s*\n\s*/)
                .join('&')
            : body.value,
        }),
      });
      const { text } = await read(response);
      tell(caption, `${response.status} ${response.statusText}`.trim(), !response.ok);
      shown.textContent = text || '(empty)';
      figure.hidden = false;
      const requestId = response.headers.get('x-request-id');
      tell(state, `${Math.round(performance.now() - started)} ms${requestId ? ` · request ${requestId}` : ''}`);
    } catch {
      tell(state, 'The server did not answer.', true);
    } finally {
      send.disabled = false;
    }
  });
  return form;
}

for (const operation of document.querySelectorAll('.operation[data-callable]')) {
  const open = make('button', { type: 'button', className: 'button small', textContent: 'Try it' });
  open.setAttribute('aria-expanded', 'false');
  open.setAttribute('aria-describedby', `${operation.id}-name`);
  operation.querySelector('h3').id = `${operation.id}-name`;
  operation.querySelector('.words').append(make('p', { className: 'bar' }, open));
  let form;
  open.addEventListener('click', () => {
    if (form) form.hidden = !form.hidden;
    else {
      form = trial(operation);
      operation.append(form);
    }
    open.setAttribute('aria-expanded', String(!form.hidden));
    open.textContent = form.hidden ? 'Try it' : 'Close';
    if (!form.hidden) form.querySelector('input, textarea, button').focus();
  });
}
