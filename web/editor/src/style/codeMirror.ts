// CodeMirror brings its rules along and writes them into a <style> element, which the page's content security policy
// refuses as it would an attacker's. They go into the page's own style sheet instead: at its beginning, as the element
// stands first in the head, so that the page's rules still come after them.
import { StyleModule } from "style-mod";

const own = import.meta.env.PROD ? document.styleSheets[0] : undefined;

if (own) {
  let mounted: StyleModule[] = [];
  let rules = 0;
  StyleModule.mount = (_root, modules) => {
    const wanted = [modules].flat() as StyleModule[];
    if (wanted.every((module) => mounted.includes(module))) return;
    // In the order that this view gives, which decides between its modules.
    mounted = [...new Set([...wanted, ...mounted])];
    const parsed = new CSSStyleSheet();
    parsed.replaceSync(mounted.map((module) => module.getRules()).join("\n"));
    for (; rules > 0; rules--) own.deleteRule(0);
    for (const rule of parsed.cssRules) own.insertRule(rule.cssText, rules++);
  };
}
