-- What a sample sheet makes of a read's bases, or of its qualities: the `kept` cycles from `first` (0-based), trimmed
-- or masked from the adapter on. An adapter that leaves fewer than `mask_short` bases leaves none, and a trimmed read
-- stays at least `minimum` long; `fill` stands for what is masked. NULL `kept`: the read as it is.
CREATE OR REPLACE MACRO cut_read(calls, first, kept, adapter, behavior, minimum, mask_short, fill) AS
CASE
    WHEN kept IS NULL THEN calls
    WHEN adapter IS NULL OR behavior IS NULL THEN substr(calls, first + 1, kept)
    ELSE rpad(
        substr(calls, first + 1, CASE WHEN adapter < mask_short THEN 0 ELSE adapter END),
        CASE behavior WHEN 'trim' THEN greatest(adapter, least(minimum, kept)) ELSE kept END,
        fill
    )
END
