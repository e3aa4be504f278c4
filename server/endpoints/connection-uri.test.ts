import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connectionUri, poolerHost } from "./connection-uri.ts";

describe("a connection string", () => {
  it("says everything that a client needs, and asks for encryption and channel binding", () => {
    const target = { host: "127.0.0.1:5433", role: "neondb_owner", password: "npg_x", database: "neondb" };
    assert.equal(
      connectionUri(target),
      "postgresql://neondb_owner:npg_x@127.0.0.1:5433/neondb?sslmode=require&channel_binding=require",
    );
  });

  it("leads to the pooler by its name, and by an option where computes have none", () => {
    const id = "ep-still-river-00000000";
    const target = { role: "owner", password: "npg_x", database: "neondb", pooled: { endpoint_id: id } };
    const named = `${id}.db.example.com:5432`;
    assert.equal(poolerHost(named, id), `${id}-pooler.db.example.com:5432`);
    assert.equal(
      connectionUri({ ...target, host: named }),
      `postgresql://owner:npg_x@${id}-pooler.db.example.com:5432/neondb?sslmode=require&channel_binding=require`,
    );
    assert.equal(poolerHost("127.0.0.1:5433", id), "127.0.0.1:5433");
    assert.equal(
      connectionUri({ ...target, host: "127.0.0.1:5433" }),
      `postgresql://owner:npg_x@127.0.0.1:5433/neondb?sslmode=require&channel_binding=require&options=endpoint%3D${id}-pooler`,
    );
  });

  it("gives any name back to a parser as it was", () => {
    const target = {
      host: "127.0.0.1:5433",
      role: "a@b:c/d?e#f%g h",
      password: "p@:/?#% é",
      database: "ä/b?c#d%e f&g",
    };
    const url = new URL(connectionUri(target));
    assert.equal(decodeURIComponent(url.username), target.role);
    assert.equal(decodeURIComponent(url.password), target.password);
    assert.equal(decodeURIComponent(url.pathname.slice(1)), target.database);
    assert.equal(url.host, target.host);
    assert.equal(url.searchParams.get("sslmode"), "require");
  });
});
