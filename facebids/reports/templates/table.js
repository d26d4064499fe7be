// Filter and sort the table of all images. Without this script the table is complete, too.
for (const table of document.querySelectorAll('table.sortable')) {
  const rows = [...table.tBodies[0].rows];
  const text = Object.assign(document.createElement('input'), {type: 'search', placeholder: 'filter'});
  text.setAttribute('aria-label', 'Show rows that contain');
  const verdict = document.createElement('select');
  verdict.setAttribute('aria-label', 'Show the verdict');
  for (const name of ['all verdicts', 'fail', 'review', 'pass']) verdict.add(new Option(name, name));
  const count = document.createElement('output');
  const show = () => {
    const wanted = text.value.toLowerCase(), kind = verdict.selectedIndex ? verdict.value : '';
    let shown = 0;
    for (const row of rows) {
      const fits = row.textContent.toLowerCase().includes(wanted) && (!kind || row.dataset.verdict === kind);
      row.hidden = !fits;
      shown += fits;
    }
    count.textContent = `${shown} of ${rows.length}`;
  };
  text.addEventListener('input', show);
  verdict.addEventListener('change', show);
  const controls = document.createElement('p');
  controls.className = 'controls';
  controls.append(text, verdict, count);
  table.parentElement.before(controls);
  show();
  for (const [column, head] of [...table.tHead.rows[0].cells].entries()) {
    const button = document.createElement('button');
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const up = head.getAttribute('aria-sort') !== 'ascending';
      for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
      const value = row => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
      const number = cell => cell === '' ? NaN : Number(cell);
      rows.sort((one, two) => {
        const [a, b] = [value(one), value(two)], [x, y] = [number(a), number(b)];
        if (a === '' || b === '') return (a === '') - (b === '');  // what was not measured stays last
        const order = isNaN(x) || isNaN(y) ? a.localeCompare(b, 'en', {numeric: true}) : x - y;
        return up ? order : -order;
      });
      table.tBodies[0].append(...rows);
    });
  }
}
