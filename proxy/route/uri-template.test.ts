// URI templates: what matches, what becomes of it, and which templates are none (Envoy refuses the same).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '../base/error.ts';
import { UriTemplate } from './uri-template.ts';

const rewritten = (template: string, rewrite: string, path: string): string | undefined => {
  const compiled = new UriTemplate(template, 'p');
  return compiled.regex.matches(path) ? compiled.compileRewrite(rewrite, 'r').replaceAll(path) : undefined;
};

test('parts, rests and variables', () => {
  assert.equal(rewritten('/a', '/b', '/a'), '/b');
  assert.equal(rewritten('/a/*', '/b', '/a/b/c'), undefined);
  assert.equal(rewritten('/a/*', '/b', '/a/'), undefined);
  assert.equal(rewritten('/a/**', '/b', '/a/'), '/b');
  assert.equal(rewritten('/{x}/{y=v1/**}', '/{y}-{x}', '/a/v1/b/c'), '/v1/b/c-a');
});

test('S46 text is text, whatever it means in patterns', () => {
  assert.equal(rewritten('/a.b+(c)$', '/x', '/a.b+(c)$'), '/x');
  assert.equal(rewritten('/a.b', '/x', '/aXb'), undefined);
  assert.equal(rewritten('/{x}', '/$1{x}', '/a'), '/$1a');
});

test('the path of a long template begins with what an index can use', () => {
  assert.equal(new UriTemplate('/media/*/x', 'p').regex.prefix, '/media/');
});

for (const template of ['a', '/a//b', '/***', '/**/*', '/**/{b}', '/*{a}', '/{a}{b}', '/{a}.{b}', '/{a}/{a}', '/{}',
  '/{1a}', '/{abcdefghijklmnopq}', '/{a}/{b}/{c}/{d}/{e}/{f}', '/{a={b}}', '/{a', '/a}', '/a?b', '/a#b', '/[a]',
  '/{a=}', '/{a=/b}', '/{a=b/}', '/a**', '/é', '/a b']) {
  test(`'${template}' is no template`, () => {
    assert.throws(() => new UriTemplate(template, 'p'), (error) => error instanceof ConfigError && error.path === 'p');
  });
}

for (const rewrite of ['x', '/{b}', '//{a}', '/x?y={a}', '/{a', '/a}', '/[x]', '/\\0', '/a b']) {
  test(`'${rewrite}' is no rewrite of /{a}`, () => {
    const template = new UriTemplate('/{a}', 'p');
    assert.throws(() => template.compileRewrite(rewrite, 'r'), (error) =>
      error instanceof ConfigError && error.path === 'r');
  });
}
