"""Every sentence and label of the report, in Korean and English.

After a value no Korean particle follows whose form would depend on it.
"""

from __future__ import annotations

from typing import Final, Literal

Language = Literal["ko", "en"]

TEXT: Final[dict[str, tuple[str, str]]] = {
    # Labels: measures, models and rules, sets, slices, losses.
    "lambada_at_1": ("LAMBADA@1", "LAMBADA@1"),
    "coref_f1": ("Coref F1", "Coref F1"),
    "coref_at_5": ("Coref@5", "Coref@5"),
    "score": ("Score", "Score"),
    "antecedent_accuracy": ("선행사 정확도", "Antecedent accuracy"),
    "antecedent_mrr": ("선행사 MRR", "Antecedent MRR"),
    "copy_accuracy": ("복사 정확도", "Copying accuracy"),
    "copy_mrr": ("복사 MRR", "Copying MRR"),
    "lambada_exact": ("LAMBADA 완전 일치", "LAMBADA exact"),
    "pseudo_bpc": ("pseudo-bpc", "pseudo-bpc"),
    "base": ("base", "base"),
    "finetuned": ("finetuned", "finetuned"),
    "salience": ("현저성 순위기(학습)", "salience ranker (trained)"),
    "random_candidate": ("무작위 후보", "random candidate"),
    "nearest_noun": ("가장 가까운 명사", "nearest noun"),
    "nearest_proper_noun": ("가장 가까운 고유명사", "nearest proper noun"),
    "most_frequent_noun": ("가장 자주 나온 명사", "most frequent noun"),
    "most_frequent_proper_noun": ("가장 자주 나온 고유명사", "most frequent proper noun"),
    "subject_first": ("첫 주어", "first subject"),
    "constant_top_5": ("고빈도 명사로 고정한 답", "constant guess of frequent nouns"),
    "train": ("훈련", "training"),
    "validation": ("검증", "validation"),
    "test": ("시험", "test"),
    "gold": ("골드 `{name}`", "gold `{name}`"),
    "same sentence": ("같은 문장", "same sentence"),
    "1 sentence": ("한 문장 앞", "1 sentence before"),
    "2 or more sentences": ("두 문장 이상 앞", "2 or more sentences before"),
    "1-9": ("1–9", "1–9"),
    "10-19": ("10–19", "10–19"),
    "20 or more": ("20 이상", "20 or more"),
    "other": ("그 밖", "other"),
    "loss_target": ("정답 loss", "Exact answer loss"),
    "loss_nouns": ("문맥 명사 loss", "Context nouns loss"),
    "loss_rank": ("후보 순위 loss", "Candidate ranking loss"),
    "loss_copy": ("복사 loss", "Copying loss"),
    "loss_mlm": ("MLM loss", "MLM loss"),
    "up": ("▲ 상승", "▲ up"),
    "down": ("▼ 하락", "▼ down"),
    "better": ("개선", "better"),
    "worse": ("악화", "worse"),
    "unclear": ("뚜렷한 차이 없음", "no clear difference"),
    "points": ("%p", " pp"),
    # Columns.
    "measure": ("측정값", "Measure"),
    "base_column": ("base (checkpoint-0)", "base (checkpoint-0)"),
    "finetuned_column": ("finetuned ({selected})", "finetuned ({selected})"),
    "relative": ("상대 변화", "Relative change"),
    "difference": ("finetuned − 이 행", "finetuned minus this"),
    "interval": ("차이의 95% 구간", "95% interval of the difference"),
    "finetuned_is": ("finetuned는", "finetuned is"),
    "finetuned_better": ("더 나음", "better"),
    "finetuned_worse": ("더 못함", "worse"),
    "finetuned_unclear": ("뚜렷한 차이 없음", "not clearly different"),
    "interval_short": ("95% 구간", "95% interval"),
    "verdict": ("판정", "Verdict"),
    "model": ("모델·기준선", "Model or baseline"),
    "split": ("구분", "Split"),
    "documents": ("문서", "Documents"),
    "characters": ("글자", "Characters"),
    "sentences": ("문장", "Sentences"),
    "chains": ("참조 사슬", "Chains"),
    "set": ("집합", "Set"),
    "antecedent_items": ("선행사 항목", "Antecedent items"),
    "out_of_window": ("뺀 대명사: 선행사가 창 밖", "Pronouns left out: antecedent out of window"),
    "not_a_candidate": (
        "선행사가 독립된 명사구로 잡히지 않음",
        "antecedent not a noun phrase of its own",
    ),
    "no_antecedent": ("앞에 선행사가 없음", "no noun of the chain before it"),
    "coref_items": ("Coref 항목", "Coref items"),
    "lambada_items": ("LAMBADA 항목", "LAMBADA items"),
    "items": ("항목 수", "Items"),
    "pronoun": ("대명사", "Pronoun"),
    "distance": ("거리", "Distance"),
    "candidates": ("후보 수", "Candidates"),
    "finetuned_copying": ("finetuned, 복사", "finetuned, copying"),
    "by_pronoun": ("대명사별", "by pronoun"),
    "by_distance": ("선행사까지의 거리별", "by distance to the antecedent"),
    "by_candidates": ("후보 수별", "by number of candidates"),
    "step": ("Step", "Step"),
    "learning_rate": ("학습률", "Learning rate"),
    "validation_column": ("검증: {measure}", "Validation: {measure}"),
    "remark": ("비고", "Remark"),
    "selected_mark": ("⭐ 선택", "⭐ selected"),
    "checkpoint": ("체크포인트", "Checkpoint"),
    "score_rank": ("Score 순위", "Rank by Score"),
    "accuracy_rank": ("정확도 순위", "Rank by accuracy"),
    "rank": ("순위", "Rank"),
    "seq_len": ("seq_len", "seq_len"),
    "epoch": ("Epoch", "Epoch"),
    "printed_score": ("Score (원문)", "Score (printed)"),
    "computed_score": ("Score (재계산)", "Score (computed anew)"),
    "own_checkpoint": ("이번 실행", "This run"),
    "own_score": ("이번 Score", "Score of this run"),
    "their_change": ("원 보고서 ({before} → {after})", "Original report ({before} → {after})"),
    "own_change": ("이번 실행 (checkpoint-0 → {selected})", "This run (checkpoint-0 → {selected})"),
    "own_verdict": ("이번 실행의 판정", "Verdict on this run"),
    "protocol": ("방식", "Protocol"),
    "meaning": ("뜻", "Meaning"),
    "seed": ("seed", "seed"),
    "strict": ("strict", "strict"),
    # Figures.
    "figure_antecedents": (
        "모델과 기준선의 선행사 정확도",
        "Antecedent accuracy of models and baselines",
    ),
    "figure_training": ("step별 loss와 검증 측정값", "Loss and validation measure by step"),
    "figure_slices": ("슬라이스별 선행사 정확도", "Antecedent accuracy by slice"),
    "figure_checkpoints": ("step별 시험 측정값", "Test measures by step"),
    # Title and summary.
    "title": ("상호참조 미세조정 성능 분석 보고서", "Fine-tuning for coreference: what it did"),
    "run": (
        "**실험**: option `{option}`, base `{base}`, 선택된 체크포인트 `{selected}`",
        "**Experiment**: option `{option}`, base `{base}`, selected checkpoint `{selected}`",
    ),
    "conclusion": ("**결론**: {text}", "**Conclusion**: {text}"),
    "conclusion_change": (
        "{measure}: {verdict}, {before} → {after}.",
        "{measure}: {verdict}, {before} → {after}.",
    ),
    "nothing_measured": ("비교할 측정값이 없다.", "Nothing was measured that could be compared."),
    "summary": ("요약 (Executive Summary)", "Executive summary"),
    "key_figures": ("핵심 수치", "Key figures"),
    "summary_better": ("- 뚜렷이 좋아진 측정값: {measures}", "- Clearly better: {measures}"),
    "summary_worse": ("- 뚜렷이 나빠진 측정값: {measures}", "- Clearly worse: {measures}"),
    "summary_unclear": (
        "- 뚜렷한 차이가 없는 측정값: {measures}",
        "- No clear difference: {measures}",
    ),
    "none_of_them": ("없음", "none"),
    "selected_is_base": (
        "선택된 체크포인트가 base 자신이므로 둘 사이에 차이가 없다.",
        "The selected checkpoint is the base itself, so there is no difference between the two.",
    ),
    "summary_note": (
        "판정은 두 모델을 같은 문서로 다시 뽑아 견준(짝지은) 부트스트랩의 95% 구간으로 한다. "
        "구간이 0을 포함하면 뚜렷한 차이가 없다고 본다. pseudo-bpc(글자당 비트)는 낮을수록 좋고 "
        "나머지는 높을수록 좋다.",
        "A verdict follows from the 95% interval of a paired bootstrap over documents; where "
        "the interval contains zero there is no clear difference. A lower pseudo-bpc (bits "
        "per character) is better; of everything else, higher is better.",
    ),
    # Design.
    "design": ("실험 설계", "Design of the experiment"),
    "method": ("훈련 방법", "Training"),
    "option_entity": (
        "반복된 개체의 뒤쪽 출현을 가리고 그 개체를 정답으로 학습한다 (원 보고서가 하려던 "
        "방식).\n\n"
        "```\n"
        '원본: "홍길동은 학생이다. 홍길동은 공부한다."\n'
        '훈련: "홍길동은 학생이다. [MASK]은 공부한다."\n'
        '정답: "홍길동"\n'
        "```",
        "The later occurrence of a repeated entity is masked, and the entity is the answer to "
        "learn (what the original report meant to do).\n\n"
        "```\n"
        'text:     "홍길동은 학생이다. 홍길동은 공부한다."\n'
        'training: "홍길동은 학생이다. [MASK]은 공부한다."\n'
        'answer:   "홍길동"\n'
        "```",
    ),
    "option_entity_unlabelled": (
        "반복된 개체를 가리되 정답은 버리고 그 글에 일반 MLM만 학습한다. 원 보고서의 코드가 "
        "실제로 한 일이며, 대조군이다.\n\n"
        "```\n"
        '원본: "홍길동은 학생이다. 홍길동은 공부한다."\n'
        '훈련: "홍길동은 학생이다. [MASK]은 공부한다."\n'
        "정답: 없음\n"
        "```",
        "A repeated entity is masked but its answer is dropped, and only ordinary masked "
        "language modelling is learned on that text. This is what the original report's code "
        "did, kept as a control.\n\n"
        "```\n"
        'text:     "홍길동은 학생이다. 홍길동은 공부한다."\n'
        'training: "홍길동은 학생이다. [MASK]은 공부한다."\n'
        "answer:   none\n"
        "```",
    ),
    "option_pronoun": (
        "대명사를 가리고 문맥 명사의 집합을 정답으로 학습하며, 주석이 있는 글에서는 그 "
        "선행사도 정답으로 쓴다 (원 보고서의 Option 1). 각각의 비중은 `params.yaml`의 "
        "`finetune`에 있다.\n\n"
        "```\n"
        '원본: "홍길동은 학생이다. 그는 공부한다."\n'
        '훈련: "홍길동은 학생이다. [MASK]는 공부한다."\n'
        '정답: 선행사 "홍길동", 문맥 명사 {{"홍길동", "학생", "공부"}}\n'
        '읽기: "홍길동은 학생이다. 그([MASK])는 공부한다."\n'
        "```\n\n"
        "주석이 있는 글이 있으면 예제 가운데 `reading_share`의 비율은 대명사를 가리지 않은 글이다"
        "(읽기). 대명사 앞의 모든 명사구 가운데 선행사를 이름(`rank_weight`)과 위치"
        "(`copy_weight`)로 고르게 한다.",
        "A pronoun is masked; the set of context nouns and, in marked text, its antecedent "
        "are the answers to learn (Option 1 of the original report). How much each counts is in "
        "section `finetune` of `params.yaml`.\n\n"
        "```\n"
        'text:     "홍길동은 학생이다. 그는 공부한다."\n'
        'training: "홍길동은 학생이다. [MASK]는 공부한다."\n'
        'answer:   antecedent "홍길동", context nouns {{"홍길동", "학생", "공부"}}\n'
        'reading:  "홍길동은 학생이다. 그([MASK])는 공부한다."\n'
        "```\n\n"
        "Where text is marked, a share of the examples (`reading_share`) is text with its pronouns "
        "in sight (readings): among all noun phrases before a pronoun the antecedent is chosen, by "
        "what it is called (`rank_weight`) and by where it stands (`copy_weight`).",
    ),
    "option_mixed": (
        "반복된 개체와 대명사를 절반씩 섞어 학습한다 (원 보고서의 Option 2).\n\n"
        "```\n"
        '개체:   "홍길동 … 홍길동" → "홍길동 … [MASK]" (정답: "홍길동")\n'
        '대명사: "홍길동 … 그"     → "홍길동 … [MASK]" (정답: 선행사와 문맥 명사)\n'
        "```\n\n"
        "대명사 쪽 예제에는 `pronoun`에서처럼 읽기가 `reading_share`의 비율로 들어 있다.",
        "Repeated entities and pronouns in equal parts (Option 2 of the original report).\n\n"
        "```\n"
        'entity:  "홍길동 … 홍길동" → "홍길동 … [MASK]" (answer: "홍길동")\n'
        'pronoun: "홍길동 … 그"     → "홍길동 … [MASK]" (answer: antecedent, context nouns)\n'
        "```\n\n"
        "Of the pronoun half, as of `pronoun`, a share (`reading_share`) is readings.",
    ),
    "option_curriculum": (
        "개체, 대명사, 혼합의 순서로 단계를 나누어 학습한다 (원 보고서의 Option 3).\n\n"
        "```\n"
        "단계: 개체 반복 → 대명사 → 혼합\n"
        "```\n\n"
        "대명사 예제에는 `pronoun`에서처럼 읽기가 `reading_share`의 비율로 들어 있다.",
        "Repeated entities, then pronouns, then both (Option 3 of the original report).\n\n"
        "```\n"
        "stages: entity → pronoun → mixed\n"
        "```\n\n"
        "Of the pronoun examples, as of `pronoun`, a share (`reading_share`) is readings.",
    ),
    "option_none": (
        "미세조정 없이 base를 그대로 쓴다 (원 보고서의 Option 4).",
        "No fine-tuning: the base as it is (Option 4 of the original report).",
    ),
    "design_option": ("- **옵션**: `{option}`", "- **Option**: `{option}`"),
    "design_base": ("- **시작 체크포인트 (base)**: `{base}`", "- **Base**: `{base}`"),
    "design_own_base": (
        "- **base의 사전 훈련**: 매개변수 {parameters}개, 토큰 {tokens}개; 가린 명사를 맞힌 "
        "비율 {trained} (빈도만으로 답하면 {unigram})",
        "- **How the base was trained**: {parameters} parameters, {tokens} tokens; masked "
        "nouns guessed right {trained} (by frequency alone {unigram})",
    ),
    "design_training": (
        "- **훈련**: 고른 예제 {available}개 (모자라는 종류는 되풀이해 채움); 학습에 쓴 예제 "
        "{examples}개, 토큰 {tokens}개, {steps} step",
        "- **Training**: {available} examples chosen (a kind of which there are too few comes "
        "again); {examples} trained on, {tokens} tokens, {steps} steps",
    ),
    "design_selected": (
        "- **선택**: `{selected}` (검증 집합의 {measure} 기준, 값 {value})",
        "- **Selected**: `{selected}` (by {measure} on the validation set, {value})",
    ),
    "design_last": (
        "- **선택**: `{selected}` (마지막 체크포인트)",
        "- **Selected**: `{selected}` (the last checkpoint)",
    ),
    "data": ("데이터", "Data"),
    "data_note": (
        "훈련 문서에는 이름을 바꾼 사본이 있으면 그것도 센다. 평가 문서는 훈련 문서와 겹치지 "
        "않으며, 항목의 마스크는 고정되어 있어 모든 모델이 같은 항목을 푼다.",
        "Training documents count copies with other names, where there are any. No evaluation "
        "document is a training document, and masks are fixed: every model answers the same "
        "items.",
    ),
    # Results.
    "details": ("상세 결과 분석", "Results in detail"),
    "interpretation": ("**해석**:", "**Interpretation**:"),
    "change_better": (
        "미세조정 뒤에 뚜렷이 좋아졌다 ({before} → {after}, 차이의 95% 구간 {interval}).",
        "Clearly better after fine-tuning ({before} → {after}, 95% interval of the difference "
        "{interval}).",
    ),
    "change_worse": (
        "미세조정 뒤에 뚜렷이 나빠졌다 ({before} → {after}, 차이의 95% 구간 {interval}).",
        "Clearly worse after fine-tuning ({before} → {after}, 95% interval of the difference "
        "{interval}).",
    ),
    "change_unclear": (
        "미세조정 앞뒤로 뚜렷한 차이가 없다 ({before} → {after}, 차이의 95% 구간 {interval}).",
        "No clear difference after fine-tuning ({before} → {after}, 95% interval of the "
        "difference {interval}).",
    ),
    "rule_better": (
        "가장 강한 단순 기준선({rule}, {value})보다 뚜렷이 낫다 (차이 {difference}, 95% 구간 "
        "{interval}).",
        "Clearly better than the best trivial baseline ({rule}, {value}; difference "
        "{difference}, 95% interval {interval}).",
    ),
    "rule_worse": (
        "가장 강한 단순 기준선({rule}, {value})보다 뚜렷이 못하다 (차이 {difference}, 95% "
        "구간 {interval}).",
        "Clearly worse than the best trivial baseline ({rule}, {value}; difference "
        "{difference}, 95% interval {interval}).",
    ),
    "rule_unclear": (
        "가장 강한 단순 기준선({rule}, {value})과는 뚜렷한 차이가 없다 (차이 {difference}, "
        "95% 구간 {interval}).",
        "No clear difference from the best trivial baseline ({rule}, {value}; difference "
        "{difference}, 95% interval {interval}).",
    ),
    "rule_not_beaten": (
        "따라서 이 값은 모델이 상호참조를 이해한다는 근거가 되지 못한다.",
        "So this value is no evidence that the model understands coreference.",
    ),
    "forgotten": (
        "일반 언어 모델링 능력이 일부 떨어졌다는(망각) 뜻이다.",
        "Some of the general ability to model language was forgotten.",
    ),
    "untrained_head": (
        "base가 여기서 미세조정한 모델이 아니면 그 복사 헤드는 학습되지 않아 상태를 그대로 "
        "견준다. 그때 base와의 차이에는 헤드를 처음 학습한 몫이 들어 있으므로, 학습된 기준선"
        "(현저성 순위기)과의 차이로 읽는다.",
        "A base that was not fine-tuned here has an untrained copying head, which compares states "
        "as they are: the difference from it then holds what it means to train a head at all. Read "
        "the difference from the baseline that is trained, the salience ranker.",
    ),
    "losses": ("훈련 중 loss 추이", "Loss during training"),
    "no_training": (
        "훈련한 step이 없어 loss도 없다.",
        "There was no training step, hence no loss.",
    ),
    "loss_change": (
        "- {kind}: {first} → {last} ({direction})",
        "- {kind}: {first} → {last} ({direction})",
    ),
    "fell": ("줄어듦", "fell"),
    "did_not_fall": ("줄지 않음", "did not fall"),
    "losses_note": (
        "**해석**: loss는 훈련 과제의 값이다. 줄었다고 해서 상호참조가 나아졌다는 뜻은 "
        "아니며, 판단은 위의 측정값으로 한다. loss 칸은 그 step까지 마지막으로 기록된 구간의 "
        "평균이고, 위의 변화는 기록의 처음 5분의 1과 마지막 5분의 1의 평균을 견준 것이다.",
        "**Interpretation**: losses belong to the training task. A fall does not mean that "
        "coreference got better; the measures above decide that. A loss is the mean since the "
        "row logged before; the changes above are between the means of the first and of the "
        "last fifth of what was logged.",
    ),
    "slices": ("슬라이스별 선행사 정확도", "Antecedent accuracy by slice"),
    "slices_note": (
        "항목이 적은 슬라이스의 차이는 우연일 수 있다. 드문 대명사는 '그 밖'으로 묶었다.",
        "In a slice with few items a difference may be chance. Rare pronouns are put together "
        "as 'other'.",
    ),
    "gold_sets": ("사람이 주석한 골드 집합", "Gold sets annotated by people"),
    "gold_note": (
        "이 미세조정에 쓰지 않은 글에 사람이 상호참조를 주석한 집합이다.",
        "Text that was not fine-tuned on, with coreference annotated by people.",
    ),
    # Rankings.
    "ranking": ("체크포인트 전체 비교", "All checkpoints"),
    "findings": ("**핵심 발견**:", "**Findings**:"),
    "best_by": ("- {measure} 1위: {checkpoints}", "- First by {measure}: {checkpoints}"),
    "ranking_note": (
        "- 이 표는 시험 집합의 결과다. 이 표를 보고 체크포인트를 다시 고르면 시험 집합에 맞추는 "
        "일이 된다.",
        "- This table is of the test set. To choose a checkpoint by it would be to fit the test "
        "set.",
    ),
    "published": ("원 보고서의 체크포인트와 나란히", "Beside the original report's checkpoints"),
    "published_note": (
        "원 보고서(2025-10-10)에 실린 값을 Score 공식으로 다시 계산해 순위를 매기고, 같은 "
        "순위에 이번 실행의 체크포인트를 놓았다. 모델도 데이터도 항목도 다르므로 값의 크기는 "
        "견줄 수 없고, 순서와 방향만 볼 수 있다.",
        "The original report's figures (2025-10-10), their Score computed anew and ranked, "
        "with this run's checkpoints at the same ranks. Models, data and items differ, so "
        "sizes cannot be compared, only order and direction.",
    ),
    "published_finding": (
        "**핵심 발견**: 원 보고서의 체크포인트 {rows}개 가운데 Score 1위: `{best}` ({score}), "
        "Coref F1 1위: `{best_f1}` ({f1}). 원 보고서가 최고로 꼽은 체크포인트: `{named}` "
        "({named_score}, {place}위).",
        "**Finding**: of the {rows} checkpoints of the original report, first by Score: "
        "`{best}` ({score}), by Coref F1: `{best_f1}` ({f1}). The one that the original "
        "report calls the best: `{named}` ({named_score}, rank {place}).",
    ),
    "changes_heading": (
        "미세조정이 바꾼 정도 (상대 변화). 원 보고서에는 구간이 없다.",
        "What fine-tuning changed (relative change). The original report gives no intervals.",
    ),
    # Advice.
    "advice": ("권장 사항", "What to use"),
    "advice_selected": (
        "- 선택된 체크포인트: `{selected}` (검증 집합의 {measure} 기준)",
        "- Selected checkpoint: `{selected}` (by {measure} on the validation set)",
    ),
    "advice_last": (
        "- 선택된 체크포인트: `{selected}` (마지막 체크포인트; 검증 집합으로 고르지 않았다)",
        "- Selected checkpoint: `{selected}` (the last one, not chosen on the validation set)",
    ),
    "advice_untrained": (
        "- 미세조정을 하지 않았으므로 견줄 것이 없다.",
        "- Nothing was fine-tuned, so there is nothing to choose.",
    ),
    "advice_base": (
        "- 검증 집합에서 base를 넘은 체크포인트가 없었다. base를 그대로 쓴다.",
        "- No checkpoint beat the base on the validation set. Use the base as it is.",
    ),
    "advice_better": (
        "- 선택 기준이었던 측정값({measure})은 시험 집합에서도 뚜렷이 좋아졌다. 이 체크포인트를 "
        "쓴다.",
        "- On the test set, too, the measure it was selected by ({measure}) got clearly "
        "better. Use this checkpoint.",
    ),
    "advice_worse": (
        "- 선택 기준이었던 측정값({measure})은 시험 집합에서 오히려 뚜렷이 나빠졌다. base를 쓴다.",
        "- On the test set the measure it was selected by ({measure}) got clearly worse. Use "
        "the base.",
    ),
    "advice_unclear": (
        "- 선택 기준이었던 측정값({measure})은 시험 집합에서 뚜렷한 차이가 없다. 이 체크포인트가 "
        "base보다 낫다고 말할 수 없다.",
        "- On the test set the measure it was selected by ({measure}) shows no clear "
        "difference. It cannot be said that this checkpoint is better than the base.",
    ),
    "warning_worse": (
        "- ⚠️ 뚜렷이 나빠진 측정값: {measure} ({difference}, 95% 구간 {interval})",
        "- ⚠️ Clearly worse: {measure} ({difference}, 95% interval {interval})",
    ),
    "warning_forgotten": (
        "- 망각을 줄이려면 `finetune.replay`나 `finetune.anchor_weight`를 올려 본다.",
        "- To forget less, try a higher `finetune.replay` or `finetune.anchor_weight`.",
    ),
    "warning_rule": (
        "- ⚠️ {set} 집합: 선행사 정확도가 단순 규칙({rule})을 뚜렷이 넘지 못했다. 대명사 "
        "해결이 목적이라면 이 규칙보다 낫다고 말할 수 없다.",
        "- ⚠️ Set {set}: antecedent accuracy is not clearly above a trivial rule ({rule}). "
        "For resolving pronouns it cannot be said to be better than that rule.",
    ),
    "advice_seeds": (
        "- 이 보고서는 시드 하나의 결과다. 옵션을 서로 견주려면 여러 시드로 되풀이한다.",
        "- This is the result of one seed. To compare options, repeat with several seeds.",
    ),
    # How to read.
    "reading": ("읽는 법", "How to read this"),
    "about_lambada_at_1": (
        "앞에서 이미 나온 명사가 글에서 마지막으로 다시 나오는 자리를 가린다(`prepare.lambada`를 "
        "주면 거기서 정한 낱말). 첫 예측 명사가 정답을 포함하거나 정답에 포함되면 맞은 것으로 "
        "친다.",
        "The last noun of a text that occurred before is masked (with `prepare.lambada`, the "
        "word given there). A hit: the first predicted noun contains the answer or is contained "
        "in it.",
    ),
    "about_coref_f1": (
        "대명사를 가리고, 예측한 상위 다섯 명사와 주변 문장에 나온 모든 명사의 겹침을 잰 micro F1.",
        "A pronoun is masked; micro F1 of the top five predicted nouns against all nouns of "
        "the sentences around.",
    ),
    "about_coref_at_5": (
        "같은 항목에서 상위 다섯 명사 가운데 하나라도 주변 문장에 나온 비율.",
        "The same items: the share where any of the top five nouns occurs in the sentences around.",
    ),
    "about_score": (
        "0.4·Coref F1 + 0.3·Coref@5 + 0.3·LAMBADA@1.",
        "0.4·Coref F1 + 0.3·Coref@5 + 0.3·LAMBADA@1.",
    ),
    "about_antecedent_accuracy": (
        "대명사 앞의 모든 명사구 후보 가운데 모델이 가장 선호한 것이 같은 대상을 가리키는 "
        "비율. 후보마다 서브워드 수만큼 빈칸을 두며, 그 자리는 `evaluate.template`이 정한다. 주 "
        "측정값이다.",
        "Of all candidate noun phrases before the pronoun, how often the one that the model "
        "prefers refers to the same thing. Each candidate is filled in where "
        "`evaluate.template` says, with as many masks as it has subwords. The headline.",
    ),
    "about_antecedent_mrr": (
        "후보를 선호 순으로 늘어놓았을 때 첫 정답 순위의 역수의 평균.",
        "The mean reciprocal rank of the first right candidate.",
    ),
    "about_copy_accuracy": (
        "선행사 정확도와 같되, 후보의 이름을 빈칸에 채워 보는 대신 보이는 대명사의 상태와 후보가 "
        "나온 자리의 상태를 견주고, `copy_salience`이면 빈도와 위치, 역할을 더하여 고른다. 규칙 "
        "기준선은 어느 방식으로 재도 값이 같다.",
        "As antecedent accuracy, but the candidate is chosen by comparing the state of the "
        "pronoun, which is in sight, with the states of the places where candidates stand, with "
        "their frequency, position and role added under `copy_salience`, instead of by filling in "
        "what they are called. A rule has the same answer either way.",
    ),
    "about_copy_mrr": (
        "복사 방식으로 늘어놓았을 때 첫 정답 순위의 역수의 평균.",
        "The mean reciprocal rank of the first right candidate, ordered by copying.",
    ),
    "about_lambada_exact": (
        "LAMBADA@1과 같은 항목을 서브워드 세 개까지의 답으로 채우고, 정답과 완전히 같을 때만 맞은 "
        "것으로 친다.",
        "The items of LAMBADA@1, filled with answers of up to three subwords; a hit only if equal.",
    ),
    "about_pseudo_bpc": (
        "학습에 쓰지 않은 시험 글의 pseudo-log-likelihood를 글자당 비트로 나타낸 값. 낮을수록 "
        "좋으며, 높아지면 언어 모델링 능력이 떨어진 것이다(망각). 훈련 글과 같은 출처의 글이고 "
        "훈련은 `mlm_weight`로 그런 글의 MLM도 배우므로, 높아지지 않았다고 다른 글까지 잊지 "
        "않았다는 뜻은 아니다.",
        "Pseudo-log-likelihood of test text, which is not trained on, in bits per character. Lower "
        "is better; a rise means that language modelling was forgotten. The text is of the sources "
        "of the training text, whose words training also learns by `mlm_weight`: no rise does not "
        "mean that other text was not forgotten.",
    ),
    "reading_notes": (
        "- **seed와 strict**: seed는 원 보고서의 정의 그대로여서 그 값과 나란히 놓기 위한 "
        "것이고, strict가 이 프로젝트의 주 결과다. strict에서는 모델이 선행사가 든 창 전체를 "
        "보고, 답은 서브워드가 여럿이어도 된다. 선행사는 같은 대상을 가리키는 어느 이름이든 맞고, "
        "LAMBADA는 완전히 같아야 맞는다.\n"
        "- **Coref@5와 Coref F1이 보여 주지 못하는 것**: 모델은 대명사가 든 문장만 보는데 정답 "
        "명사는 앞뒤 문장에서도 온다. 선행사를 보지 못한 채 답하므로, 값이 올라도 대명사를 "
        "선행사에 이었다는 뜻은 아니다.\n"
        "- **Coref@5는 추측으로 오른다**: 주변에 나온 명사면 무엇이든 정답이므로, 자주 쓰는 "
        "명사를 늘 똑같이 답하기만 해도 값이 높아진다. Coref F1도 마찬가지다. 그래서 고빈도 "
        "명사 고정 답을 함께 싣는다.\n"
        "- **단순 기준선**: 글을 이해하지 않는 규칙이다. 이를 뚜렷이 넘지 못하는 값은 "
        "상호참조 능력의 근거가 아니다. 무작위 후보의 정확도는 기댓값이다.\n"
        "- **구간**: 같은 문서를 다시 뽑아 구한 차이의 구간이며, 시드를 바꾸었을 때의 "
        "흔들림은 담지 않는다. 여러 측정값을 한꺼번에 보면 그 가운데 하나쯤은 우연히 0을 "
        "벗어날 수 있다.",
        "- **seed and strict**: seed has the original report's definitions, so that its "
        "figures can stand beside these; strict is the headline of this project. In strict "
        "the model sees the whole window with the antecedent, and an answer may have several "
        "subwords. Of antecedents any name of the same thing counts, of LAMBADA only an equal "
        "answer.\n"
        "- **What Coref@5 and Coref F1 cannot show**: the model sees only the pronoun's own "
        "sentence, while the answers come from the sentences around it too. It answers "
        "without having seen the antecedent, so a rise does not mean that pronouns were "
        "linked to antecedents.\n"
        "- **Coref@5 can be raised by guessing**: any noun from around counts, so always "
        "giving the same frequent nouns scores high. So it is with Coref F1. That is why the "
        "constant guess is in the tables.\n"
        "- **Trivial baselines** are rules that understand nothing. What is not clearly above "
        "them is no evidence of coreference. A random candidate's accuracy is its expected "
        "value.\n"
        "- **Intervals** come from resampling the same documents; they do not hold the "
        "variation between seeds. Of many measures seen at once, one may leave zero by chance.",
    ),
}
"""Every sentence and label: Korean, English."""
