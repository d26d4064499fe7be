// Show one image after the other; keys decide. A served page saves each decision, a file none.
const {items, notes, token, decided} = JSON.parse(document.getElementById('data').textContent);
const at = id => document.getElementById(id);
const WORDS = {accept: 'accepted', reject: 'rejected'};
const OUTCOMES = {pass: 'met', note: 'noted', review: 'to review', fail: 'not met'};
let current = 0, order = [], held = new Map(), saving = Promise.resolve();

function make(tag, text, className) {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

function hold(list) {
  held = new Map(list.map(decision => [decision.number, decision]));
  order = list.map(decision => decision.number);
  list_();
  state();
}

function list_() {
  at('list').replaceChildren(...items.map((item, number) => {
    const entry = document.createElement('li'), button = make('button', item.image.split('/').pop());
    const decision = held.get(number);
    button.append(make('span', decision ? WORDS[decision.choice] : item.verdict, decision?.choice ?? ''));
    if (number === current) button.setAttribute('aria-current', 'true');
    button.addEventListener('click', () => show(number));
    entry.append(button);
    return entry;
  }));
  const left = items.filter((item, number) => item.verdict === 'review' && !held.has(number)).length;
  at('progress').textContent = `${held.size} of ${items.length} decided; ${left} with the verdict review left.`;
}

function state() {
  const decision = held.get(current);
  at('state').textContent = decision
    ? `${WORDS[decision.choice]} by ${decision.by}, ${decision.time}${decision.comment ? `: ${decision.comment}` : ''}` : 'not decided';
  at('undo').disabled = !order.length;
  at('previous').disabled = current === 0;
  at('next').disabled = current === items.length - 1;
}

function show(number) {
  current = Math.max(0, Math.min(items.length - 1, number));
  const item = items[current];
  at('name').textContent = item.image;
  at('verdict').textContent = item.verdict;
  at('verdict').className = `badge ${item.verdict}`;
  at('comment').value = held.get(current)?.comment ?? '';
  at('reasons').replaceChildren(...item.reasons.map(reason => make('li', reason, item.verdict)));
  at('figures').replaceChildren(...Object.entries(item.figures).map(([kind, address]) => {
    const figure = document.createElement('figure'), image = new Image();
    image.src = address;
    image.alt = `${kind} after defacing`;
    figure.append(image, make('figcaption', notes[kind]));
    return figure;
  }));
  at('criteria').replaceChildren(...item.criteria.map(([label, value, limit, outcome]) => {
    const entry = make('li', '', outcome);
    entry.append(make('span', label, 'what'), make('b', value), make('span', limit, 'limit'), make('span', OUTCOMES[outcome], 'met'));
    return entry;
  }));
  list_();
  state();
  at('list').querySelector('[aria-current]').scrollIntoView({block: 'nearest'});
  if (current + 1 < items.length) {  // so that the next one is there at once
    for (const address of Object.values(items[current + 1].figures)) new Image().src = address;
  }
}

async function send(number, choice, comment) {
  const body = new URLSearchParams({number, choice, comment, token});
  const answer = await fetch('/decide', {method: 'POST', body});
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()).decided;
}

function change(number, choice) {
  const comment = at('comment').value.trim();
  saving = saving.then(async () => {
    if (token === null) {
      const others = [...held.values()].filter(decision => decision.number !== number);
      const mine = {number, choice, comment, by: 'you', time: 'not saved'};
      hold(choice === 'undo' ? others : [...others, mine]);
      return;
    }
    try {
      hold(await send(number, choice, comment));
      at('problem').hidden = true;
    } catch (error) {
      at('problem').textContent = `Not saved: ${error.message}`;
      at('problem').hidden = false;
      throw error;
    }
  });
  const done = saving;
  saving = saving.catch(() => {});
  return done;
}

async function decide(choice) {
  const number = current;
  try {
    await change(number, choice);
  } catch {
    return;  // it stays, so that nothing is passed over
  }
  const after = items.findIndex((item, other) => other > number && !held.has(other));
  if (current === number) show(after >= 0 ? after : Math.min(number + 1, items.length - 1));
}

async function undo() {
  if (!order.length) return;
  const number = order[order.length - 1];
  show(number);
  await change(number, 'undo').catch(() => {});
  show(number);
}

const ACTIONS = {
  a: () => decide('accept'), r: () => decide('reject'), u: undo, c: () => at('comment').focus(),
  ArrowLeft: () => show(current - 1), ArrowRight: () => show(current + 1),
};
document.addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target === at('comment')) {
    if (event.key === 'Enter' || event.key === 'Escape') at('name').focus();
    return;
  }
  const action = ACTIONS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});
at('accept').addEventListener('click', ACTIONS.a);
at('reject').addEventListener('click', ACTIONS.r);
at('undo').addEventListener('click', undo);
at('previous').addEventListener('click', ACTIONS.ArrowLeft);
at('next').addEventListener('click', ACTIONS.ArrowRight);
hold(decided);
const first = items.findIndex((item, number) => !held.has(number));
show(first >= 0 ? first : 0);
