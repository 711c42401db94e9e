// The first visit, and every other one.
import { PASSWORD } from "../harness/box.ts";
import { expect, test } from "../harness/test.ts";

test("the first visit sets a password and opens the wall", async ({ page, stage, shot }) => {
  const box = await stage.box();
  await page.goto(box.origin);
  await expect(page.getByRole("heading", { name: "Welcome to Pulsebox" })).toBeVisible();
  await shot("claim");

  await page.getByLabel("Password", { exact: true }).fill("short");
  await page.getByLabel("Once more").fill("short");
  await page.getByRole("button", { name: "Set the password and begin" }).click();
  await expect(page.getByRole("alert").filter({ hasText: /8|short/i }).first()).toBeVisible();

  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByLabel("Once more").fill(PASSWORD);
  await page.getByRole("button", { name: "Set the password and begin" }).click();
  await expect(page.getByRole("link", { name: "Add your first camera" })).toBeVisible();
  expect(await box.config(), "the browser's time zone is taken").toContain("Europe/Berlin");
  await shot("wall-empty");

  // It holds: a new load of the page needs no password, another browser does.
  await page.reload();
  await expect(page.getByRole("link", { name: "Add your first camera" })).toBeVisible();
  await page.context().clearCookies();
  await page.reload();
  await expect(page.getByRole("heading", { name: /Sign in/ })).toBeVisible();
});

test("a wrong password is refused in words, the right one opens the page that was asked for", async ({ page, stage, shot }) => {
  const box = await stage.box();
  await box.claim();
  await page.goto(`${box.origin}/#/settings/about`);
  await page.getByLabel("Password", { exact: true }).fill("not this one");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("alert").filter({ hasText: /wrong|not the|password/i }).first()).toBeVisible();
  await shot("sign-in-wrong");

  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { name: "This box" })).toBeVisible();
});

test("a session that ended asks for the password and returns to where the person was", async ({ page, stage }) => {
  const box = await stage.signedIn();
  await page.goto(`${box.origin}/#/settings/tokens`);
  await expect(page.getByRole("heading", { name: "Tokens", exact: true })).toBeVisible();

  // Changing the password from elsewhere ends every other session, also this one.
  await box.signIn();
  const changed = await box.call("PUT", "/api/password", { current: PASSWORD, new: `${PASSWORD}!` });
  expect(changed.status).toBe(204);

  // The box cuts what the session had open, so the page knows by itself.
  await expect(page.getByText("Your sign-in has ended")).toBeVisible();
  await page.getByLabel("Password", { exact: true }).fill(`${PASSWORD}!`);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { name: "Tokens", exact: true })).toBeVisible();
});

test("signing out ends the session", async ({ page, stage }) => {
  const box = await stage.signedIn();
  await page.goto(`${box.origin}/#/settings/general`);
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("heading", { name: /Sign in/ })).toBeVisible();
  expect((await box.call("GET", "/api/streams")).status, "the cookie is worth nothing any more").toBe(401);
});
