// npm's `prepare`, in plain JavaScript so that any Node can run it: it says what is missing, or makes what is not in git.
if (Number(process.versions.node.split('.')[0]) >= 26) {
  await import('./prepare.ts');
} else {
  console.error(`weft needs Node 26, which npm's packages bring for linux-x64, linux-arm64 (glibc), darwin-arm64 and darwin-x64; `
    + `it is missing for ${process.platform}-${process.arch}: run "npm ci" with optional dependencies, or install Node >= 26.`);
  process.exitCode = 1;
}
