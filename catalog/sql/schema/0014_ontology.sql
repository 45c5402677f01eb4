-- Release 0.4: the terms of an ontology of phenotypes, the last one that was loaded, and macros that were made anew.
CREATE TABLE ontology_terms (
    term VARCHAR, name VARCHAR, parents VARCHAR[], alt_ids VARCHAR[], obsolete BOOLEAN, release_id VARCHAR
);
