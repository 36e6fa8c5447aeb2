// Whether KaTeX can set every block that begins with ```math: node formulas.mjs KATEX, the folder of the package.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const { default: katex } = await import(`${process.argv[2]}/dist/katex.mjs`);
let formulas = 0;
for (const folder of ["crates", "src", "docs"]) {
    const names = readdirSync(folder, { recursive: true }).filter((name) => /\.(rs|md)$/.test(name));
    for (const name of names) {
        // Without what makes a comment of a line.
        const text = readFileSync(join(folder, name), "utf8").replace(/^[ \t]*\/\/[\/!] ?/gm, "");
        for (const [, formula] of text.matchAll(/^```math\n([^]*?)^```/gm)) {
            formulas += 1;
            try {
                katex.renderToString(formula, { displayMode: true, strict: false });
            } catch (error) {
                console.error(`${join(folder, name)}: ${error.message}`);
                process.exitCode = 1;
            }
        }
    }
}
console.log(`${formulas} formulas`);
