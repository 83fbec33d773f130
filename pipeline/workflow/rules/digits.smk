# In place of fetch and whiten: the images come with scikit-learn, and need no whitening.
# (A study's name is a target, and there is a study `digits`; so the rule is not called that.)
rule write_digits:
    output:
        directory(f"{results}/data/digits"),
    log:
        f"{results}/logs/digits.log",
    priority: 2
    localrule: True
    conda:
        str(ENVIRONMENT)
    params:
        code=needs("pipeline.parts.data.digits"),
    message:
        "Write the images of handwritten digits"
    shell:
        "python -m pipeline.parts.data.digits --out {output:q} > {log:q} 2>&1"
