/** PostgreSQL's parser, compiled to WebAssembly; takes 50 ms to load, once. Imported by everything that calls it. */
import { loadModule } from 'libpg-query';

await loadModule();
