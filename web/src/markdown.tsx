// What models write, as elements: code, lists, emphasis. Text stays text, whatever it holds.

import type {ComponentChildren} from 'preact';

function inline(text: string): ComponentChildren[] {
  return text.split(/(`[^`\n]+`|\*\*[^*\n]+\*\*|\*[^*\s][^*\n]*\*)/).map(piece => {
    if (/^`[^`]+`$/.test(piece)) return <code>{piece.slice(1, -1)}</code>;
    if (/^\*\*[^*]+\*\*$/.test(piece)) return <strong>{piece.slice(2, -2)}</strong>;
    if (/^\*[^*]+\*$/.test(piece)) return <em>{piece.slice(1, -1)}</em>;
    return piece;
  });
}

function Code({text, language}: {text: string; language: string}) {
  return <figure class="code">
    <figcaption>{language || 'code'}
      <button type="button" onClick={() => navigator.clipboard?.writeText(text)}>Copy</button></figcaption>
    <pre tabIndex={0}><code>{text}</code></pre>
  </figure>;
}

const LIST = /^\s*(?:[-*]|\d+[.)])\s+/;

function Block({text}: {text: string}) {
  const lines = text.split('\n');
  if (lines.every(line => LIST.test(line))) {
    const items = lines.map(line => <li>{inline(line.replace(LIST, ''))}</li>);
    return /^\s*\d/.test(text) ? <ol>{items}</ol> : <ul>{items}</ul>;
  }
  const heading = /^#{1,6} (.*)$/.exec(text);
  return heading ? <h3>{inline(heading[1])}</h3> : <p>{inline(text)}</p>;
}

export function Markdown({text}: {text: string}) {
  // Every second piece is a block of code; the last one may not be closed yet.
  return <>{text.split(/^```/m).map((piece, i) => {
    if (i % 2 === 1) {
      const end = piece.indexOf('\n');
      return end < 0 ? <Code text="" language={piece} />
                     : <Code text={piece.slice(end + 1).replace(/\n$/, '')} language={piece.slice(0, end).trim()} />;
    }
    return piece.split(/\n{2,}/).map(block => block.trim()).filter(Boolean).map(block => <Block text={block} />);
  })}</>;
}
