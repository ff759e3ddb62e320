import { useState } from "react";

/** Gives a text that the server does not take to whoever typed it: to the clipboard, or as a file. */
export function Keep({ text, name }: { text: string; name: string }) {
  const [said, setSaid] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid("Copied");
    } catch {
      // No permission, or no secure page.
      setSaid("Copying is blocked here: download it");
    }
  };
  const download = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
    link.download = `${name}.txt`;
    link.click();
    // The browser has begun to read it by then.
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };
  return (
    <>
      <button type="button" className="button" onClick={copy}>Copy my text</button>
      <button type="button" className="button" onClick={download}>Download</button>
      <span role="status" className="keep-said">{said}</span>
    </>
  );
}
