// Azurite on a free port, in memory, until standard input ends: so it never outlives whoever started it.
// Each line read is the name of a container, which is made; the answer is one line of JSON that tells how to reach it.
// Node 18, as Debian 12 has it, does not show it to everybody.
globalThis.crypto ??= require("node:crypto").webcrypto;
const { BlobServiceClient, ContainerSASPermissions, StorageSharedKeyCredential } = require("@azure/storage-blob");
const readline = require("node:readline");

const account = "devstoreaccount1";
const key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

async function make(endpoint, name) {
  const container = new BlobServiceClient(endpoint, new StorageSharedKeyCredential(account, key)).getContainerClient(name);
  await container.create();
  const sas = async (permissions) => {
    const expiresOn = new Date(Date.now() + 3600_000);
    const url = await container.generateSasUrl({ permissions: ContainerSASPermissions.parse(permissions), expiresOn });
    return url.slice(url.indexOf("?") + 1);
  };
  return { endpoint, name, key, sas: await sas("racwdl"), readOnlySas: await sas("rl") };
}

// Azurite says where it listens once it does.
console.log = (line) => {
  const origin = /successfully listens on (\S+)/.exec(line)?.[1];
  if (!origin) return;
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("close", () => process.exit());
  lines.on("line", async (name) => {
    process.stdout.write(JSON.stringify(await make(`${origin}/${account}`, name)) + "\n");
  });
};
process.argv.push("--blobPort", "0", "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck", "--silent");
require("azurite/dist/src/blob/main");
